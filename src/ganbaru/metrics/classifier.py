"""A small classifier on the NumPy engine: feature network of the scorer, and classifier of CAS.

It is part of every passport, so a change here must raise `VERSION`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
MAX_EPOCHS = 40
PEAK_LR = 4e-3  # after a warm-up over the first tenth; then it falls to 0 by a cosine
SHIFT = 14  # images are shifted by up to a 14th of their side: 2 pixels of 28, none of 8
INFERENCE_BATCH = 512  # 100 MB at 32x32

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


def features(scope: Scope, image: Tensor, width: int) -> Tensor:
    """Return features (N, 64) of images (N, C, H, W): three convolutions and a dense layer."""
    x = image
    for i, (maps, stride) in enumerate(((1, 1), (2, 2), (4, 2))):
        block = scope.child(f"block{i + 1}")
        x = nn.conv(block.child("conv"), x, maps * width, (3, 3), stride=stride, padding=1)
        x = ops.leaky_relu(nn.norm(block.child("norm"), x))
    x = ops.reshape(x, (x.shape[0], -1))
    x = nn.dense(scope.child("features.dense"), x, FEATURES, bias=False)
    return ops.leaky_relu(nn.norm(scope.child("features.norm"), x))


def logits(scope: Scope, image: Tensor, width: int, classes: int) -> Tensor:
    """Return logits (N, classes) of images (N, C, H, W)."""
    return nn.dense(scope.child("logits.dense"), features(scope, image, width), classes)


def cross_entropy(scores: Tensor, one_hot: Tensor) -> Tensor:
    """Return the mean over images of log(sum exp(scores)) - scores[label]."""
    highest = ops.to_numpy(scores).max(axis=1, keepdims=True)  # a constant: exp cannot overflow
    stable = scores - highest
    each = ops.log(ops.sum(ops.exp(stable), axis=1)) - ops.sum(stable * one_hot, axis=1)
    return ops.mean(each)


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained: width, images shown at most, seed."""

    width: int
    shown: int
    seed: int = 0

    def steps(self, length: int) -> int:
        """Return the number of updates on `length` images: 40 epochs at most."""
        return max(1, min(self.shown, MAX_EPOCHS * length) // BATCH)


@dataclass(frozen=True)
class Classifier:
    """The parameters of a classifier of images (H, W, C)."""

    width: int
    classes: int
    parameters: dict[str, NDArray[np.float32]]
    buffers: dict[str, NDArray[np.float32]]

    def features(self, images: Images, progress: Progress) -> NDArray[np.float32]:
        """Return features (N, 64) of bytes (N, H, W, C)."""
        network = functools.partial(features, width=self.width)
        engine, parts = engines.load("numpy"), []
        for start in range(0, len(images), INFERENCE_BATCH):
            batch = engine.from_numpy(to_range(images[start : start + INFERENCE_BATCH]))
            output, _ = nn.apply(network, self.parameters, self.buffers, batch, training=False)
            parts.append(ops.to_numpy(output))
            progress(min(start + INFERENCE_BATCH, len(images)), len(images), "computing features")
        return np.concatenate(parts)

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits (N, classes) of features (N, 64)."""
        weight, bias = (self.parameters[f"logits.dense.{name}"] for name in ("weight", "bias"))
        return np.asarray(features @ weight.T + bias)

    def labels(self, images: Images, progress: Progress) -> Labels:
        """Return the predicted labels (N,) of bytes (N, H, W, C)."""
        return self.logits(self.features(images, progress)).argmax(axis=1)


def untrained(shape: tuple[int, int, int], width: int, classes: int, seed: int) -> Classifier:
    """Return a classifier of images (H, W, C) at its random initialisation."""
    height, image_width, channels = shape
    parameters, buffers = nn.initialise(
        functools.partial(logits, width=width, classes=classes),
        (2, channels, height, image_width),
        seed=seed,
        initialisation=INITIALISATIONS["he"],
        prefix="scorer.",
    )
    return Classifier(width, classes, parameters, buffers)


# loss(scores (N, K), labels=those of the images, like=a tensor of the engine) -> a number.
Loss = Callable[..., Tensor]


def of_classes(scores: Tensor, labels: Labels, like: Tensor) -> Tensor:
    """Return the cross-entropy of labels (N,)."""
    return cross_entropy(scores, ops.one_hot(labels, scores.shape[1], like=like))


def train(
    images: Images,
    labels: NDArray[Any],
    classes: int,
    recipe: Recipe,
    progress: Progress,
    loss: Loss = of_classes,
) -> Classifier:
    """Train a classifier on images (N, H, W, C) by Adam; deterministic for a recipe.

    With another loss, labels (N, ...) are what that takes, and `classes` counts outputs.
    """
    start = untrained(images.shape[1:], recipe.width, classes, recipe.seed)
    network = functools.partial(logits, width=recipe.width, classes=classes)
    optimizer = optimizers.Adam(PEAK_LR, (0.9, 0.99))
    parameters, buffers = start.parameters, start.buffers
    moments = optimizer.start(parameters)
    order = EpochOrder(recipe.seed, "scorer", len(images), min(BATCH, len(images)))
    steps = recipe.steps(len(images))
    for step in range(steps):
        chosen = order.indices(step)
        batch = shifted(images[chosen], recipe.seed, step)
        error = functools.partial(loss, labels=labels[chosen])
        gradients, buffers = _gradients(network, parameters, buffers, batch, error)
        optimizer_step = optimizer.optimizer_step(step + 1, lr_factor(step / steps))
        parameters, moments = optimizer.update(parameters, gradients, moments, optimizer_step)
        progress(step + 1, steps, "training the scorer")
    return Classifier(recipe.width, classes, parameters, buffers)


def _gradients(
    network: nn.Network,
    parameters: Parameters,
    buffers: Parameters,
    images: Images,
    error: Callable[..., Tensor],
) -> tuple[Parameters, Parameters]:
    engine = engines.load("numpy")
    batch = engine.from_numpy(to_range(images))

    def loss(given: Parameters) -> tuple[Tensor, Parameters]:
        scores, after = nn.apply(network, given, buffers, batch, training=True)
        return error(scores, like=batch), after

    _, after, gradients = ops.value_and_grad(loss, parameters)
    return gradients, after


def lr_factor(progress: float) -> float:
    """Return the learning rate's factor at `progress` from 0 to 1: a warm-up, then a cosine."""
    return min(progress / 0.1, (1 + math.cos(math.pi * progress)) / 2)


def shifted(images: Images, seed: int, step: int) -> Images:
    """Shift each image by up to a 14th of its sides, repeating its border pixels."""
    count, height, width, _ = images.shape
    most = np.array([height // SHIFT, width // SHIFT])
    drawn = randomness.uniform(seed, "scorer shifts", step, 2 * count).reshape(count, 2)
    moves = np.floor(drawn * (2 * most + 1)).astype(np.int64) - most
    rows = np.clip(np.arange(height) + moves[:, :1], 0, height - 1)
    columns = np.clip(np.arange(width) + moves[:, 1:], 0, width - 1)
    return images[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
