"""The machine's ceilings: products of large matrices, and copies of a large array.

They are timed in the turns of every race, so that a fraction of a ceiling compares medians of the
same minutes: the speed of a shared machine varies.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ganbaru import engines

from . import flops
from .flops import Cost
from .interleaved import COPY, GEMM, Bench, Contestant, Entry, Table
from .worker import Turn

MiB = 2**20
LEAST = 5e8  # operations in a turn: about 5 ms, far more than the clock's resolution


def gemm(library: str, shape: Sequence[int], times: int) -> Turn:
    """Return a turn that multiplies (m, k) by (k, n) in float32 with one of LIBRARIES."""
    m, k, n = shape
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(sides, np.float32) for sides in ((m, k), (k, n)))
    multiply = LIBRARIES[library](x, y)
    return without_answer(lambda: [multiply() for _ in range(times)])


def without_answer(work: Callable[[], Any]) -> Turn:
    """Return a turn that measures only its time."""

    def turn() -> dict[str, float]:
        work()
        return {}

    return turn


def _numpy(x: np.ndarray, y: np.ndarray) -> Callable[[], Any]:
    out = np.empty((len(x), y.shape[1]), np.float32)
    return lambda: np.matmul(x, y, out=out)


def _torch(x: np.ndarray, y: np.ndarray) -> Callable[[], Any]:
    import torch

    a, b = torch.from_numpy(x), torch.from_numpy(y)
    out = torch.empty(len(x), y.shape[1])
    return lambda: torch.matmul(a, b, out=out)


# Each brings its own BLAS; which is faster depends on the processor.
LIBRARIES: dict[str, Callable[[np.ndarray, np.ndarray], Callable[[], Any]]] = {
    "numpy": _numpy,
    "torch": _torch,
}


def copy(megabytes: int) -> Turn:
    """Return a turn that copies `megabytes` MiB, in one thread per core."""
    threads = core_count()
    source = np.ones(megabytes * MiB // 4, np.float32)
    target = np.zeros_like(source)
    parts = np.array_split(target, threads), np.array_split(source, threads)
    pool = ThreadPoolExecutor(threads)
    return without_answer(lambda: list(pool.map(np.copyto, *parts)))


def core_count() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _multiplying(library: str, shape: tuple[int, int, int]) -> Entry:
    contestant = Contestant(library, "bench.roofline:gemm", {"library": library})
    count = 2 * math.prod(shape)
    times = math.ceil(LEAST / count)
    return Entry(contestant, {"shape": shape, "times": times}, Cost(count * times, 0))


def _copying(megabytes: int) -> Entry:
    # A copy reads a byte and writes a byte.
    cost = Cost(0, 2 * megabytes * MiB)
    return Entry(Contestant("numpy", "bench.roofline:copy"), {"megabytes": megabytes}, cost)


def measure(bench: Bench) -> list[Table]:
    """Measure both; the fastest product is the ceiling of all later races."""
    shapes = {(side, side, side) for side in bench.scale.squares}
    shapes = shapes.union(*(flops.matrices(size) for size in bench.scale.steps))
    rows, found = [], []
    for shape in sorted(shapes):
        race = bench.race({f"{library}'s product": _multiplying(library, shape)
                           for library in LIBRARIES if library in engines.available()})  # fmt: skip
        for name in race.answers:
            found.append((race.rate(name, "flops"), race.entries[name]))
            what = f"{name}, {'x'.join(map(str, shape))}"
            rows.append({"": what, "GFLOP/s": found[-1][0] / 1e9})
    copying = bench.race({COPY: _copying(bench.scale.copied)})
    rows.append({"": f"copy, {bench.scale.copied} MiB", "GB/s": copying.rate(COPY, "bytes") / 1e9})
    best = max(found, key=lambda pair: pair[0])[1]
    bench.limits |= {GEMM: best, COPY: copying.entries[COPY]}
    shape = "x".join(map(str, best.settings["shape"]))
    note = f"GEMM below is {best.contestant.library}'s product of {shape}."
    return [Table("Ceilings", rows, (note,))]
