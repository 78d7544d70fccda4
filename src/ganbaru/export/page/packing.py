"""Encode a page's numbers in one block of bytes: matrices in 16 bits, small arrays as float32.

16-bit integers with a scale for each row are more precise than float16, since the weights of a row
are of similar size and need no exponent of their own. Measured in `docs/results.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ganbaru.errors import InputError, pick

Arrays = tuple[np.ndarray, ...]
_MAX = 2**15 - 1


def whole(matrix: np.ndarray) -> Arrays:
    """Return a matrix (M, K) as float32."""
    return (matrix.astype("<f4"),)


def scaled(matrix: np.ndarray) -> Arrays:
    """Return a matrix (M, K) as 16-bit integers, and the scales (M,) of its rows."""
    largest = np.abs(matrix).max(axis=1).astype(np.float64)
    scales = (largest / _MAX).astype("<f4")
    # A subnormal scale may be rounded down so far that the largest number overflows.
    overflows = largest > (_MAX + 0.5) * scales.astype(np.float64)
    scales = np.where(overflows & (scales > 0), np.nextafter(scales, np.float32(1)), scales)
    divisors = np.where(scales > 0, scales, 1)[:, None]  # rows of zeros stay zero
    return np.rint(matrix / divisors).astype("<i2"), scales


class Packing(NamedTuple):
    """The number of bits of a matrix's entries, and the function that encodes it."""

    bits: int
    write: Callable[[np.ndarray], Arrays]


PACKINGS = {"float32": Packing(32, whole), "float16": Packing(16, scaled)}


class Packer:
    """Collects arrays in one block of bytes, each at a multiple of 4 bytes."""

    def __init__(self, precision: str) -> None:
        self.bits, self._write = pick("precision", precision, PACKINGS)
        self.content = bytearray()

    def matrix(self, matrix: np.ndarray, name: str) -> dict[str, Any]:
        """Add a matrix (M, K); returns its shape and offset."""
        numbers, *scales = self._write(_finite(matrix, name))
        found = {"shape": list(matrix.shape), "at": self._add(numbers), "bits": self.bits}
        if scales:
            found["scales"] = self._add(*scales)
        return found

    def array(self, array: np.ndarray, name: str) -> dict[str, Any]:
        """Add an array of any shape as float32; returns its shape and offset."""
        numbers = _finite(array, name).astype("<f4")
        return {"shape": list(array.shape), "at": self._add(numbers)}

    def _add(self, numbers: np.ndarray) -> int:
        at = len(self.content)
        self.content += numbers.tobytes() + bytes(-numbers.nbytes % 4)
        return at


def _finite(array: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(array).all():
        raise InputError(
            f"{name or 'A constant'} has numbers that are not finite: the training diverged. "
            f"Choose an earlier checkpoint with --checkpoint."
        )
    return array
