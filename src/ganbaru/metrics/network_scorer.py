"""Scorers by a given feature network: what the network of a package and of a file share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ganbaru import files
from ganbaru.data import Progress, Source
from ganbaru.data.picture import RULE
from ganbaru.metrics import scorer
from ganbaru.metrics.classifier import Images
from ganbaru.metrics.scorer import Features, Scale, Scorer, ScorerInfo

Batch = NDArray[np.float32]  # (n, C, H, W), from 0 to 255


@dataclass(frozen=True)
class FeatureNetwork:
    """A function from images to features, with what identifies it."""

    kind: str
    version: int
    hash: str  # SHA-256 of its weights
    shape: tuple[int, int, int]  # of its input images: height, width, channels
    batch: int  # images that it takes at once
    how: str  # the range of its input, and what becomes of its output
    compute: Callable[[Batch], NDArray[np.floating]]

    def features(self, images: Images, progress: Progress) -> NDArray[np.float32]:
        """Return features (N, D) of images (N, H, W, C) of any size.

        The last batch is filled up with its first image, since a compiled network is compiled again
        for another number.
        """
        parts = []
        for start in range(0, len(images), self.batch):
            part = scorer.resized(images[start : start + self.batch], self.shape)
            full = np.concatenate([part, np.repeat(part[:1], self.batch - len(part), axis=0)])
            colour = np.broadcast_to(full, (*full.shape[:3], self.shape[2]))
            channels_first = np.ascontiguousarray(colour.transpose(0, 3, 1, 2), np.float32)
            parts.append(self.compute(channels_first)[: len(part)])
            progress(min(start + self.batch, len(images)), len(images), "computing features")
        return np.concatenate(parts).astype(np.float32, copy=False)


def network_scorer(network: FeatureNetwork, source: Source, progress: Progress) -> Scorer:
    """Return the scorer of a network; of a labelled source, with its own classifier's labels."""
    mean, unit = _scale(network, source, progress)
    own = scorer.classifier_scorer(source, progress) if len(source.classes) > 1 else None

    def extract(images: Images, progress: Progress) -> Features:
        found = (network.features(images, progress) - mean) / unit
        labels = own.extract(images, progress).labels if own else None
        return Features((found.astype(np.float32),), labels)

    height, width, channels = source.images.shape[1:]
    sides = "x".join(map(str, (height, width, channels))), "x".join(map(str, network.shape))
    white = ", over white" * (network.shape[2] < channels == 4)
    info = own.info if own else ScorerInfo("", 0, ())
    info = replace(
        info,
        kind=network.kind,
        version=network.version,
        shape=(*scorer.input_size(height, width), channels),
        fingerprint=source.fingerprint,
        hash=_digest(network.hash, own.info.hash) if own else network.hash,
        network=f"network {sides[0]} to {sides[1]}{white}, rule {RULE}, {network.how}",
    )
    return Scorer(info, extract, own.notes if own else ())


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _scale(network: FeatureNetwork, source: Source, progress: Progress) -> Scale:
    """Return the features' mean and common scale on images of the scorers' half, cached."""

    def measured() -> bytes:
        seen, _ = scorer.halves(source)
        images = source.images[seen[: scorer.CALIBRATION]]
        mean, unit = scorer.scale(network.features(images, progress))
        return json.dumps([mean.tolist(), unit]).encode()

    mark = _digest(network.hash, network.shape, network.how, source.fingerprint, RULE)
    mean, unit = json.loads(files.cached(f"scorers/scale-{mark[:20]}.json", measured))
    return np.array(mean), float(unit)
