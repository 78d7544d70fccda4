"""Batches of the next steps, sampled on threads while the engine computes."""

from __future__ import annotations

import dataclasses
from concurrent.futures import Future, ThreadPoolExecutor

from ganbaru.data.streaming import StreamedImages
from ganbaru.gan.batches import BatchSampler
from ganbaru.gan.step_inputs import Batches


class Prefetcher:
    """Prefetches the batches of the next steps, on threads, while an asynchronous engine computes.

    The threads run NumPy only; a step's batches are copied to the device when it begins.
    """

    THREADS, STEPS = 4, 12

    def __init__(self, sampler: BatchSampler) -> None:
        self.sampler, self.images = sampler, sampler.images
        self._pool = ThreadPoolExecutor(self.THREADS, thread_name_prefix="prefetch")
        self._sampled: dict[int, Future[Batches]] = {}

    def step(self, number: int, strength: float = 1.0) -> Batches:
        """Return the batches of step `number`, and start sampling those of the next steps."""
        wanted = range(number, number + self.STEPS)
        started = {n: sampled for n, sampled in self._sampled.items() if n in wanted}
        self._sampled = started | {
            n: self._pool.submit(self.sampler.sample, n) for n in wanted if n not in started
        }
        return self.sampler.to_device(self._sampled.pop(number).result(), strength)


def prefetched(sampler: BatchSampler) -> BatchSampler | Prefetcher:
    """Use what speeds sampling up on this engine: images in its memory, and prefetching."""
    engine, images = sampler.engine, sampler.source.images
    if not isinstance(images, StreamedImages):  # those are larger than memory: they stay on disk
        sampler = dataclasses.replace(sampler, device_dataset=engine.device_dataset(images))
    return Prefetcher(sampler) if engine.runs_async else sampler
