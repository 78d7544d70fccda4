"""Scores of pictures by EfficientNet's features, and how much of a checkerboard they have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ganbaru import config, data
from ganbaru.gan.dataset import load_data
from ganbaru.metrics import efficientnet, monge
from ganbaru.metrics.scorer import Scorer

Result = dict[str, Any]
REALS = 4_000  # that fakes are compared with
PERIODS = (2, 4)  # of a checkerboard, in pixels


def spectrum(images: np.ndarray) -> np.ndarray:
    """Return the mean power (H, W) of images (N, H, W, C), windowed by Hann's function."""
    grey = images.mean(axis=3) / 255
    grey -= grey.mean(axis=(1, 2), keepdims=True)
    height, width = grey.shape[1:]
    window = np.outer(np.hanning(height + 1)[:-1], np.hanning(width + 1)[:-1])
    power: np.ndarray = (np.abs(np.fft.fft2(grey * window)) ** 2).mean(axis=0)
    return power


def checkerboard(fake: np.ndarray, real: np.ndarray) -> tuple[float, float]:
    """Return the largest power and the largest excess at a checkerboard's frequencies.

    Power is relative to that of reals, the excess relative to its median at frequencies near.
    """
    height, width = fake.shape
    ratio = fake / real
    places = {
        (height * a // p, width * b // p)
        for p in PERIODS
        for a in range(p // 2 + 1)
        for b in range(p // 2 + 1)
        if a or b
    }
    rows, columns = np.mgrid[:height, :width]
    found = []
    for row, column in places:
        away = [
            np.minimum((x - at) % n, (at - x) % n)
            for x, at, n in ((rows, row, height), (columns, column, width))
        ]
        distance = np.maximum(*away)
        near = ratio[(distance >= 3) & (distance <= 5)]
        found.append((ratio[row, column], ratio[row, column] / np.median(near)))
    power, excess = (float(max(column)) for column in zip(*found, strict=True))
    return power, excess


def kernel_mean(x: np.ndarray, y: np.ndarray) -> float:
    """Return the mean of (a.b / D + 1)³ over pairs of rows; those of a row with itself left out.

    As `ganbaru.metrics.kernel`, on all images at once in place of fifty subsets.
    """
    values = (x @ y.T / x.shape[1] + 1).astype(np.float64)
    values *= values * values
    if x is not y:
        return float(values.mean())
    return float((values.sum() - np.trace(values)) / (len(x) * (len(x) - 1)))


class Judge:
    """The features of all reals of a set, cached in the folder, and scores of fakes."""

    def __init__(self, settings: config.Config, folder: Path) -> None:
        self.source = load_data(settings)
        self.scorer: Scorer = efficientnet.efficientnet("numpy", "auto", self.source, data.silent)
        path = folder / f"reals-{self.source.fingerprint[:12]}.npy"
        if not path.exists():
            np.save(path, self._features(self.source.images[:REALS]))
        self.reals = np.load(path)
        self.within = kernel_mean(self.reals, self.reals)
        self.power = spectrum(self.source.images[:REALS])

    def _features(self, images: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.scorer.extract(images, data.silent).arrays[0]
        return found

    def scores(self, images: np.ndarray) -> Result:
        """Return the scores of images (N, H, W, C)."""
        fakes = self._features(images)
        between = kernel_mean(self.reals, fakes)
        power, excess = checkerboard(spectrum(images), self.power)
        return {
            "kid": (self.within + kernel_mean(fakes, fakes) - 2 * between),
            "mind": monge.mind(self.reals, fakes),
            "power": power,
            "excess": excess,
        }
