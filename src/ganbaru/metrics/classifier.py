"""A small classifier on the NumPy engine: the eyes of the scorer, and the pupil of CAS.

It is part of every passport, so nothing here may change without raising `VERSION`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru import engines, nn, ops, randomness
from ganbaru.data import Progress
from ganbaru.gan import optimizers
from ganbaru.gan.batches import EpochOrder, to_range
from ganbaru.nn import Scope
from ganbaru.nn.initializers import INITIALISATIONS
from ganbaru.ops import Parameters, Tensor

VERSION = 1
FEATURES = 64
BATCH = 128
PASSES = 40
RATE = 4e-3  # at its height; it rises over the first tenth and falls to nothing by a cosine
SHIFT = 14  # images are moved by up to a 14th of their side: 2 pixels of 28, none of 8
AT_ONCE = 512  # images in a batch when nothing is learnt: 100 MB at 32x32

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


def features(scope: Scope, image: Tensor, width: int) -> Tensor:
    """Turn images (N, C, H, W) into features (N, 64): three convolutions and a dense layer."""
    x = image
    for i, (maps, stride) in enumerate(((1, 1), (2, 2), (4, 2))):
        block = scope.child(f"block{i + 1}")
        x = nn.conv(block.child("conv"), x, maps * width, (3, 3), stride=stride, padding=1)
        x = ops.leaky_relu(nn.norm(block.child("norm"), x))
    x = ops.reshape(x, (x.shape[0], -1))
    x = nn.dense(scope.child("features.dense"), x, FEATURES, bias=False)
    return ops.leaky_relu(nn.norm(scope.child("features.norm"), x))


def logits(scope: Scope, image: Tensor, width: int, classes: int) -> Tensor:
    """Turn images (N, C, H, W) into logits (N, classes)."""
    return nn.dense(scope.child("logits.dense"), features(scope, image, width), classes)


def cross_entropy(scores: Tensor, one_hot: Tensor) -> Tensor:
    """Return the mean over images of log(sum exp(scores)) - scores[label]."""
    highest = ops.to_numpy(scores).max(axis=1, keepdims=True)  # a constant: exp cannot overflow
    moved = scores - highest
    each = ops.log(ops.sum(ops.exp(moved), axis=1)) - ops.sum(moved * one_hot, axis=1)
    return ops.mean(each)


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained: its width, the seed, and how many images it is shown at most."""

    width: int
    shown: int
    seed: int = 0

    def steps(self, length: int) -> int:
        """Return the number of updates on `length` images: 40 passes at most, soon enough."""
        return max(1, min(self.shown, PASSES * length) // BATCH)


@dataclass(frozen=True)
class Classifier:
    """A trained classifier of images (H, W, C) into classes."""

    width: int
    classes: int
    parameters: dict[str, NDArray[np.float32]]
    buffers: dict[str, NDArray[np.float32]]

    def features(self, images: Images, progress: Progress) -> NDArray[np.float32]:
        """Return features (N, 64) of bytes (N, H, W, C)."""
        return self._each(functools.partial(features, width=self.width), images, progress)

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits (N, classes) of features (N, 64)."""
        weight, bias = (self.parameters[f"logits.dense.{name}"] for name in ("weight", "bias"))
        return np.asarray(features @ weight.T + bias)

    def labels(self, images: Images, progress: Progress) -> Labels:
        """Return the likeliest labels (N,) of bytes (N, H, W, C)."""
        return self.logits(self.features(images, progress)).argmax(axis=1)

    def _each(self, network: nn.Network, images: Images, progress: Progress) -> NDArray[np.float32]:
        engine, parts = engines.load("numpy"), []
        for start in range(0, len(images), AT_ONCE):
            batch = engine.from_numpy(to_range(images[start : start + AT_ONCE]))
            given = self.parameters, self.buffers, batch
            parts.append(ops.to_numpy(nn.apply(network, *given, training=False)[0]))
            progress(min(start + AT_ONCE, len(images)), len(images), "looking at images")
        return np.concatenate(parts)


def untrained(shape: tuple[int, int, int], width: int, classes: int, seed: int) -> Classifier:
    """Return a classifier of images (H, W, C) with the random weights that training starts from."""
    height, across, channels = shape
    parameters, buffers = nn.initialise(
        functools.partial(logits, width=width, classes=classes), (2, channels, height, across),
        seed=seed, initialisation=INITIALISATIONS["he"], prefix="scorer.",
    )  # fmt: skip
    return Classifier(width, classes, parameters, buffers)


def train(
    images: Images, labels: Labels, classes: int, recipe: Recipe, progress: Progress
) -> Classifier:
    """Train a classifier on images (N, H, W, C) by Adam; the same bits for the same recipe."""
    start = untrained(images.shape[1:], recipe.width, classes, recipe.seed)
    network = functools.partial(logits, width=recipe.width, classes=classes)
    optimizer = optimizers.Adam(RATE, (0.9, 0.99))
    parameters, buffers, moments = (
        start.parameters,
        start.buffers,
        optimizer.start(start.parameters),
    )
    order = EpochOrder(recipe.seed, "scorer", len(images), min(BATCH, len(images)))
    steps = recipe.steps(len(images))
    for step in range(steps):
        chosen = order.indices(step)
        shown = shifted(images[chosen], recipe.seed, step)
        gradients, buffers = _gradients(network, parameters, buffers, shown, labels[chosen])
        optimizer_step = optimizer.optimizer_step(step + 1, factor(step / steps))
        parameters, moments = optimizer.update(parameters, gradients, moments, optimizer_step)
        progress(step + 1, steps, "training the scorer")
    return Classifier(recipe.width, classes, parameters, buffers)


def _gradients(
    network: Callable[..., Tensor],
    parameters: Parameters,
    buffers: Parameters,
    images: Images,
    labels: Labels,
) -> tuple[Parameters, Parameters]:
    engine = engines.load("numpy")
    batch = engine.from_numpy(to_range(images))

    def loss(given: Parameters) -> tuple[Tensor, Parameters]:
        scores, after = nn.apply(network, given, buffers, batch, training=True)
        rows = ops.one_hot(labels, scores.shape[1], like=batch)
        return cross_entropy(scores, rows), after

    _, after, gradients = ops.value_and_grad(loss, parameters)
    return gradients, after


def factor(share: float) -> float:
    """Return the part of the rate at a share of the training: up in a tenth, down by a cosine."""
    return min(share / 0.1, (1 + math.cos(math.pi * share)) / 2)


def shifted(images: Images, seed: int, step: int) -> Images:
    """Move each image by up to a 14th of its sides, its border pixels repeated behind it."""
    count, height, width, _ = images.shape
    most = np.array([height // SHIFT, width // SHIFT])
    drawn = randomness.uniform(seed, "scorer shifts", step, 2 * count).reshape(count, 2)
    moves = np.floor(drawn * (2 * most + 1)).astype(np.int64) - most
    rows = np.clip(np.arange(height) + moves[:, :1], 0, height - 1)
    columns = np.clip(np.arange(width) + moves[:, 1:], 0, width - 1)
    return images[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
