"""Numbers of a page: matrices in 16 bits, and what is small as it is, in one block of bytes.

16 bits are whole numbers with a scale for each row, not halves: the weights of a row are of one
size, so half's bits for the exponent are wasted on them. Measured in `docs/results.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ganbaru.errors import InputError, pick

Arrays = tuple[np.ndarray, ...]
_MOST = 2**15 - 1


def whole(matrix: np.ndarray) -> Arrays:
    """Return a matrix (M, K) as float32."""
    return (matrix.astype("<f4"),)


def scaled(matrix: np.ndarray) -> Arrays:
    """Return a matrix (M, K) as 16-bit whole numbers, and the scales (M,) of its rows."""
    scales = (np.abs(matrix).max(axis=1) / _MOST).astype("<f4")
    divisors = np.where(scales > 0, scales, 1)[:, None]  # a row of zeros stays one
    return np.rint(matrix / divisors).astype("<i2"), scales


class Packing(NamedTuple):
    """How matrices are written: with how many bits, and what does it."""

    bits: int
    write: Callable[[np.ndarray], Arrays]


PACKINGS = {"float32": Packing(32, whole), "float16": Packing(16, scaled)}


class Packer:
    """Collects numbers in one block of bytes, each array from a multiple of 4 bytes on."""

    def __init__(self, precision: str) -> None:
        self.bits, self._write = pick("precision", precision, PACKINGS)
        self.content = bytearray()

    def matrix(self, matrix: np.ndarray, name: str) -> dict[str, Any]:
        """Add a matrix (M, K); returns where it lies."""
        numbers, *scales = self._write(_finite(matrix, name))
        found = {"shape": list(matrix.shape), "at": self._add(numbers), "bits": self.bits}
        if scales:
            found["scales"] = self._add(*scales)
        return found

    def array(self, array: np.ndarray, name: str) -> dict[str, Any]:
        """Add an array of any shape as float32; returns where it lies."""
        numbers = _finite(array, name).astype("<f4")
        return {"shape": list(array.shape), "at": self._add(numbers)}

    def _add(self, numbers: np.ndarray) -> int:
        at = len(self.content)
        self.content += numbers.tobytes() + bytes(-numbers.nbytes % 4)
        return at


def _finite(array: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(array).all():
        raise InputError(
            f"{name or 'A constant'} has numbers that are not finite, so the pictures would be "
            f"nothing: the run went wrong before. Take an earlier one by --checkpoint."
        )
    return array
