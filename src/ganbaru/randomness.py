"""Counter-based random numbers: the same on every machine and engine, without a state to save.

Every number is computed from words of Philox4x64-10 (Salmon et al. 2011) under a key of (seed,
purpose) and a counter that starts at (0, 0, 0, index). Normal numbers are Box and Muller's in
float64. `docs/randomness.md` publishes the recipe with test vectors.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ganbaru.errors import pick


class _Philox(threading.local):
    """One generator for each thread: a new one takes 50 µs, since NumPy first gives it a seed."""

    def __init__(self) -> None:
        self.generator = np.random.Philox(key=0)
        self.start = self.generator.state  # without words left from an earlier block


_philox = _Philox()


def words(seed: int, purpose: str, index: int, count: int) -> NDArray[np.uint64]:
    """Return `count` raw 64-bit words for (seed, purpose, index)."""
    key = np.array([seed, zlib.crc32(purpose.encode())], dtype=np.uint64)
    counter = np.array([0, 0, 0, index], dtype=np.uint64)
    generator, start = _philox.generator, _philox.start
    generator.state = {**start, "state": {"key": key, "counter": counter}}
    return generator.random_raw(count)


def uniform(seed: int, purpose: str, index: int, count: int) -> NDArray[np.float64]:
    """Return `count` numbers in [0, 1): the upper 53 bits of each word."""
    upper: NDArray[np.uint64] = words(seed, purpose, index, count) >> np.uint64(11)
    return upper.astype(np.float64) * 2.0**-53


def normal(seed: int, purpose: str, index: int, count: int) -> NDArray[np.float32]:
    """Return `count` standard normal numbers; each pair of words gives a pair of numbers.

    With u and v the pair as numbers in [0, 1): r = sqrt(-2 ln(1 - u)), then r cos(2 pi v) and
    r sin(2 pi v) (Box and Muller 1958), rounded to float32 at the end.
    """
    pairs = uniform(seed, purpose, index, count + count % 2).reshape(-1, 2)
    radius, angle = np.sqrt(-2 * np.log1p(-pairs[:, 0])), 2 * np.pi * pairs[:, 1]
    both = np.empty_like(pairs)
    np.multiply(radius, np.cos(angle), out=both[:, 0])
    np.multiply(radius, np.sin(angle), out=both[:, 1])
    return both.reshape(-1)[:count].astype(np.float32)


def integers(seed: int, purpose: str, index: int, count: int, below: int) -> NDArray[np.int64]:
    """Return `count` whole numbers from 0 to `below` - 1."""
    return (uniform(seed, purpose, index, count) * below).astype(np.int64)


def permutation(seed: int, purpose: str, index: int, length: int) -> NDArray[np.int64]:
    """Return the numbers from 0 to `length` - 1 in the order of `length` random words."""
    return np.argsort(words(seed, purpose, index, length), kind="stable").astype(np.int64)


# --- distributions of latents -----------------------------------------------------------------


def symmetric(seed: int, purpose: str, index: int, count: int) -> NDArray[np.float32]:
    """Return `count` numbers uniform in [-1, 1)."""
    return (2 * uniform(seed, purpose, index, count) - 1).astype(np.float32)


def unit(seed: int, purpose: str, index: int, count: int) -> NDArray[np.float32]:
    """Return `count` numbers uniform in [0, 1), rounded to float32 (so 1 may appear)."""
    return uniform(seed, purpose, index, count).astype(np.float32)


Draws = Callable[[int, str, int, int], NDArray[np.float32]]  # of (seed, purpose, index, count)

DISTRIBUTIONS: dict[str, Draws] = {
    "normal": normal,  # N(0, 1)
    "uniform": symmetric,  # in [-1, 1]
    "unit": unit,  # uniform in [0, 1]
}


def distribution(name: str) -> Draws:
    """Return the function that draws latents of a distribution."""
    return pick("distribution of latents", name, DISTRIBUTIONS)
