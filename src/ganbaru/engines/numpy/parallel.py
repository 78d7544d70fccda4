"""Blocks of work on several threads, with the same bits for any number of threads.

NumPy releases Python's lock inside its loops and BLAS, so plain threads are enough. Work is cut
into blocks by size alone and partial results are combined in block order, never in the order of
completion.

Meanwhile BLAS is limited to one thread. Two levels of threads would compete for the cores, and idle
OpenBLAS threads spin for milliseconds after each product: in one step of the preset `mnist` they
used 0.12 of 0.23 CPU-seconds.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

# Elements in a block of an elementwise pass: 128k float32 are 512 KB, half of a usual L2 cache.
BLOCK = 1 << 17


@functools.cache
def thread_count() -> int:
    """Return how many threads the engine uses: $GANBARU_THREADS, or the cores it may run on."""
    chosen = os.environ.get("GANBARU_THREADS", "")
    if chosen.isdigit() and int(chosen):
        return int(chosen)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _helpers() -> ThreadPoolExecutor:
    """Return the pool of the threads beside the calling one."""
    return ThreadPoolExecutor(max(1, thread_count() - 1), "ganbaru")


class _OneThread(contextlib.ContextDecorator):
    """A reentrant context, also a decorator, that limits BLAS to one thread."""

    def __init__(self) -> None:
        self.lock, self.inside = threading.Lock(), 0
        self.limit: Any = None

    def __enter__(self) -> None:
        with self.lock:
            if not self.inside:
                self.limit = _blas().limit(limits=1, user_api="blas")
            self.inside += 1

    def __exit__(self, *exception: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                self.limit.restore_original_limits()


ONE_BLAS_THREAD = _OneThread()


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def run(task: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Return ``[task(item) for item in items]``, computed on the engine's threads.

    The caller works too: waking one thread fewer takes half the time (50 of 100 microseconds; a
    step of a small network has 80 such calls).
    """
    items = list(items)
    if len(items) == 1:
        with ONE_BLAS_THREAD:
            return [task(items[0])]
    results: list[Any] = [None] * len(items)
    places = iter(range(len(items)))  # each thread takes the next one when it has finished one

    def work() -> None:
        # Each thread has its own setting; the caller silences NumPy's warnings of overflow too.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for i in places:
                results[i] = task(items[i])

    with ONE_BLAS_THREAD:
        wanted = min(thread_count(), len(items)) - 1
        others = [_helpers().submit(work) for _ in range(wanted)]
        try:
            work()
        finally:  # a helper that is busy, such as with the calling task, is not needed
            helped = [other for other in others if not other.cancel()]
            wait(helped)
        for other in helped:
            other.result()
    return results


def added(arrays: Iterable[Any]) -> Any:
    """Add arrays up, in their order, in the memory of the first one."""
    total, *others = arrays
    for other in others:
        total += other
    return total


def blocks(length: int, size_of_one: int, target: int = BLOCK) -> list[slice]:
    """Cut range(length) into slices of at most about `target` elements, `size_of_one` an index.

    Their number is even, so that two threads have as many: with nine, one would wait for a tenth
    of the time.
    """
    number = math.ceil(length * size_of_one / target)
    step = math.ceil(length / (number + number % 2)) if number > 1 else length
    return [slice(start, min(start + step, length)) for start in range(0, length, step or 1)]
