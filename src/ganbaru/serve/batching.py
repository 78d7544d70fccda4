"""Dynamic batching: requests that arrive while one thread computes form its next batch.

Everything but the computation runs in the event loop's thread, so there are no locks.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ganbaru.sampling.image_io import Images
from ganbaru.serve.models import Latents, Model, Weights
from ganbaru.serve.problems import RETRY, ProblemError

# Measured with 32 connections that request one 28x28 image each: larger batches are no faster for
# each image, and delay the others.
MAX_BATCH = 32
GATHER = 0.002  # seconds that the first image of a batch waits for others


@dataclass
class Job:
    """Images of one request, at most a batch; `until` is its deadline in monotonic seconds."""

    model: Model
    latents: Latents
    weights: Weights
    until: float
    made: asyncio.Future[Images]


class Batcher:
    """Runs generators in batches, in the order of the requests."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._thread = ThreadPoolExecutor(1, "images")
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None

    async def make(self, model: Model, latents: Latents, weights: Weights, until: float) -> Images:
        """Return byte images (N, H, W, C) of latents (N, Z) and weights (N, classes).

        Larger requests are split into batches, between which others may come. Raises ProblemError
        if `until` passes first.
        """
        parts = [
            await self._submit(model, latents[i : i + MAX_BATCH], weights[i : i + MAX_BATCH], until)
            for i in range(0, len(latents), MAX_BATCH)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    def _submit(
        self, model: Model, latents: Latents, weights: Weights, until: float
    ) -> asyncio.Future[Images]:
        loop = asyncio.get_running_loop()
        job = Job(model, latents, weights, until, loop.create_future())
        self._jobs.append(job)
        if not self._busy and self._timer is None:
            self._timer = loop.call_later(GATHER, self._start)
        return job.made

    def _start(self) -> None:
        """Give the thread the next batch, if any."""
        self._timer = None
        jobs = self._next()
        self._busy = bool(jobs)
        if jobs:
            self._thread.submit(self._compute, jobs, asyncio.get_running_loop())

    def _next(self) -> list[Job]:
        """Take the oldest job, and the jobs of its model that fit into its batch, in order."""
        now, count = time.monotonic(), 0
        taken: list[Job] = []
        left: deque[Job] = deque()
        while self._jobs and count < MAX_BATCH:
            job = self._jobs.popleft()
            if job.made.done():  # its request was cancelled
                continue
            if job.until < now:
                detail = "The request waited too long in the queue. Try again later."
                job.made.set_exception(ProblemError(503, detail, RETRY))
            elif not taken or (
                job.model is taken[0].model and count + len(job.latents) <= MAX_BATCH
            ):
                taken.append(job)
                count += len(job.latents)
            else:
                left.append(job)
        self._jobs.extendleft(reversed(left))
        return taken

    def _compute(self, jobs: list[Job], loop: asyncio.AbstractEventLoop) -> None:
        """Compute a batch; runs in the thread."""
        try:
            latents, weights = (
                np.concatenate(arrays)
                for arrays in zip(*((job.latents, job.weights) for job in jobs), strict=True)
            )
            found: Images | Exception = jobs[0].model.images(latents, weights)
        except Exception as error:  # passed on to the requests that wait
            found = error
        loop.call_soon_threadsafe(self._done, jobs, found)

    def _done(self, jobs: list[Job], found: Images | Exception) -> None:
        self._start()  # first, so that the thread computes while responses are written
        place = 0
        for job in jobs:
            count = len(job.latents)
            if job.made.done():
                pass
            elif isinstance(found, Exception):
                job.made.set_exception(found)
            else:
                job.made.set_result(found[place : place + count])
            place += count
