"""Work shared between threads, block by block, with the same bits for any number of threads.

NumPy releases Python's lock inside its loops and BLAS, so plain threads are enough. Work is cut
into blocks by size alone and partial results are combined in block order, never in the order of
completion. While blocks run, BLAS is held to one thread each (two levels of threads would fight
for the cores: measured 1.3 to 2 times slower).
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

# Elements in a block of an elementwise pass: 128k float32 are 512 KB, half of a usual L2 cache.
BLOCK = 1 << 17


def thread_count() -> int:
    """Return how many threads the engine uses: $GANBARU_THREADS, or the cores it may run on."""
    chosen = os.environ.get("GANBARU_THREADS", "")
    if chosen.isdigit() and int(chosen):
        return int(chosen)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _pool() -> ThreadPoolExecutor:
    # What NumPy says of overflow is silenced in the caller at most: a thread has its own setting.
    quiet = functools.partial(np.seterr, over="ignore", invalid="ignore", divide="ignore")
    return ThreadPoolExecutor(thread_count(), "ganbaru", initializer=quiet)


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def run(task: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Return ``[task(item) for item in items]``, computed on the engine's threads."""
    items = list(items)
    if len(items) == 1:
        return [task(items[0])]
    with _blas().limit(limits=1, user_api="blas"):
        return list(_pool().map(task, items))


def blocks(length: int, size_of_one: int, target: int = BLOCK) -> list[slice]:
    """Cut range(length) into slices of at most about `target` elements, `size_of_one` an index.

    Their number is even, so that two threads have as many: with nine, one would wait for a tenth
    of the time.
    """
    number = math.ceil(length * size_of_one / target)
    step = math.ceil(length / (number + number % 2)) if number > 1 else length
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]
