"""Checkerboard patterns in images: the power at their frequencies, relative to reals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ganbaru.data import alpha

PERIODS = (2, 4)  # of a checkerboard, in pixels
LEAST = 16  # pixels of a side: smaller images have too few frequencies
NEAR = (3, 5)  # distances of the frequencies that a checkerboard's are compared with
# Added to each power, as a share of the reals' mean: enlarged digits have none at a period of 2, so
# the noise of a healthy G was 166 times as much. A checkerboard of 4 grey levels has 17 times it.
FLOOR = 0.01


def spectrum(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean power (H, W) of images (N, H, W, C), windowed by Hann's function."""
    grey = alpha.premultiplied(images).mean(axis=3) / 255
    grey -= grey.mean(axis=(1, 2), keepdims=True)
    height, width = grey.shape[1:]
    window = np.outer(np.hanning(height + 1)[:-1], np.hanning(width + 1)[:-1])
    power: NDArray[np.float64] = (np.abs(np.fft.fft2(grey * window)) ** 2).mean(axis=0)
    return power


def excess(fake: NDArray[np.float64], real: NDArray[np.float64]) -> float:
    """Return the largest excess of power at a checkerboard's frequencies of two spectra (H, W).

    The quotient fake / real at a period of 2 or 4 pixels, divided by the median of the same
    quotient at frequencies near it: 1 for reals, and the largest of eight places.
    """
    floor = FLOOR * real.mean() + 1e-12
    return max(excess for _, excess in peaks((fake + floor) / (real + floor)))


def peaks(ratio: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Return a ratio of spectra (H, W) at each of a checkerboard's frequencies.

    Each time the ratio itself, and as a multiple of its median at frequencies near.
    """
    height, width = ratio.shape
    rows, columns = np.mgrid[:height, :width]
    found = []
    for row, column in _places(height, width):
        away = [
            np.minimum((x - at) % n, (at - x) % n)
            for x, at, n in ((rows, row, height), (columns, column, width))
        ]
        distance = np.maximum(*away)
        near = ratio[(distance >= NEAR[0]) & (distance <= NEAR[1])]
        peak = float(ratio[row, column])
        found.append((peak, peak / float(np.median(near))))
    return found


def _places(height: int, width: int) -> set[tuple[int, int]]:
    return {
        (height * a // p, width * b // p)
        for p in PERIODS
        for a in range(p // 2 + 1)
        for b in range(p // 2 + 1)
        if a or b
    }
