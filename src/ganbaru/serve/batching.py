"""Requests gathered into batches, which one thread computes: what waits while it works is the next.

All but the computing runs in the event loop's thread, so nothing here needs a lock.
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
from ganbaru.serve.responses import ProblemError

# Measured with 32 connections that ask for one 28x28 image each; a larger batch takes as long for
# each image, and makes the others wait.
MOST = 32
GATHER = 0.002  # seconds that the first image of a batch waits for others


@dataclass
class Job:
    """Images of one request, at most a batch of them; `until` is when it is too late."""

    model: Model
    latents: Latents
    weights: Weights
    until: float
    made: asyncio.Future[Images]


class Batcher:
    """Makes images in batches, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._thread = ThreadPoolExecutor(1, "images")
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None

    async def make(self, model: Model, latents: Latents, weights: Weights, until: float) -> Images:
        """Return byte images (N, H, W, C) of latents (N, Z) and weights (N, classes).

        More than a batch go batch by batch, so that others come in between. Raises ProblemError
        when it is past `until` before they are made.
        """
        if len(latents) <= MOST:
            return await self._ask(Job(model, latents, weights, until, _future()))
        parts = [
            await self._ask(Job(model, latents[i : i + MOST], weights[i : i + MOST], until,
                                _future()))
            for i in range(0, len(latents), MOST)
        ]  # fmt: skip
        return np.concatenate(parts)

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown()

    def _ask(self, job: Job) -> asyncio.Future[Images]:
        self._jobs.append(job)
        if not self._busy and self._timer is None:
            self._timer = job.made.get_loop().call_later(GATHER, self._start)
        return job.made

    def _start(self) -> None:
        """Give the thread its next batch, if there is one."""
        self._timer = None
        jobs = self._next()
        self._busy = bool(jobs)
        if jobs:
            self._thread.submit(self._compute, jobs, asyncio.get_running_loop())

    def _next(self) -> list[Job]:
        """Take the oldest job and those of its model that fit into its batch, in their order."""
        now, count = time.monotonic(), 0
        taken: list[Job] = []
        left: deque[Job] = deque()
        while self._jobs and count < MOST:
            job = self._jobs.popleft()
            if job.made.done():  # its request was cancelled
                continue
            if job.until < now:
                job.made.set_exception(_late())
            elif not taken or (job.model is taken[0].model and count + len(job.latents) <= MOST):
                taken.append(job)
                count += len(job.latents)
            else:
                left.append(job)
        self._jobs.extendleft(reversed(left))
        return taken

    def _compute(self, jobs: list[Job], loop: asyncio.AbstractEventLoop) -> None:
        """Make a batch; this runs in the thread."""
        try:
            latents, weights = (
                np.concatenate(arrays)
                for arrays in zip(*((job.latents, job.weights) for job in jobs), strict=True)
            )
            found: Images | Exception = jobs[0].model.pictures(latents, weights)
        except Exception as error:  # whatever it is, those who wait hear of it
            found = error
        loop.call_soon_threadsafe(self._done, jobs, found)

    def _done(self, jobs: list[Job], found: Images | Exception) -> None:
        self._start()  # before the answers are written, so that the thread does not wait for that
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


def _future() -> asyncio.Future[Images]:
    return asyncio.get_running_loop().create_future()


def _late() -> ProblemError:
    return ProblemError(
        503, "It took too long until this request's turn. Ask again later.", {"Retry-After": "5"}
    )
