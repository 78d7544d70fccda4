"""Scores of pictures by EfficientNet's features, and how much of a checkerboard they have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru import data
from ganbaru.metrics import efficientnet, kernel, monge
from ganbaru.metrics.checkerboard import peaks, spectrum
from ganbaru.metrics.scorer import Scorer

Result = dict[str, Any]
REALS = 4_000  # that fakes are compared with


def checkerboard(fake: np.ndarray, real: np.ndarray) -> tuple[float, float]:
    """Return the largest power and the largest excess at a checkerboard's frequencies.

    Power is relative to that of reals, the excess relative to its median at frequencies near.
    """
    power, excess = (max(column) for column in zip(*peaks(fake / real), strict=True))
    return power, excess


class Judge:
    """The features of reals, cached in the folder, and scores of fakes."""

    def __init__(self, source: data.Source, folder: Path, without: Sequence[int] = ()) -> None:
        """Take the first `REALS` images of a set, but for those `without`."""
        reals = np.delete(source.images, np.asarray(without, int), axis=0)[:REALS]
        self.scorer: Scorer = efficientnet.efficientnet("numpy", "auto", source, data.silent)
        path = folder / f"reals-{source.fingerprint[:12]}-{len(without)}.npy"
        if not path.exists():
            np.save(path, self._features(reals))
        self.reals = np.load(path).astype(np.float64)
        self.within = kernel.within(self.reals)
        self.power = spectrum(reals)

    def _features(self, images: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.scorer.extract(images, data.silent).arrays[0]
        return found

    def scores(self, images: np.ndarray) -> Result:
        """Return the scores of images (N, H, W, C)."""
        fakes = self._features(images).astype(np.float64)
        power, excess = checkerboard(spectrum(images), self.power)
        return {
            # On all images at once, in place of fifty subsets.
            "kid": self.within + kernel.within(fakes) - 2 * kernel.between(self.reals, fakes),
            "mind": monge.mind(self.reals, fakes),
            "power": power,
            "excess": excess,
        }
