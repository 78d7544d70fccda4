"""Grow a DCGAN to images of twice the sides: its first images are the old ones, enlarged.

Each network has one more stage, and its layers inside may be wider (as in Net2Net, Chen et al.
2016, section 2): the old channels come first and get nothing from the new ones, so they compute
what they did, while the new ones start as in a new network.

The new stage passes numbers p through its nonlinearity as two channels, p and -p: with slope a for
negative numbers, lrelu(p) - lrelu(-p) = (1 + a) p. In G these are the old image before its tanh,
enlarged by the kernel (0, 1, 1, 0) in each direction, which makes each pixel four (nearest
neighbour): exact with the running statistics that images are sampled with. `dcgan-filtered` filters
its image before tanh, so what it grows from still has the frequency (pi, pi); the bilinear kernel
takes most of it out, and the picture is the old one enlarged within a hundredth of its range. In D
the two channels are the image's means over 2x2 pixels. Batch norm of a new stage gets the deviation
and the mean that it measures as its scale and offset, so it changes nothing but by the noise of a
batch's statistics.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ganbaru import nn, randomness
from ganbaru.config import Config
from ganbaru.errors import InputError
from ganbaru.gan import models
from ganbaru.gan.layer_matching import Arrays
from ganbaru.networks.dcgan import plan
from ganbaru.nn.normalization import BATCH_NORM_EPSILON

Groups = dict[str, Arrays]
SLOPES = {"generator": 0.0, "discriminator": 0.2}  # of the networks' leaky_relu
SAMPLES = 64  # images from which the statistics of a new stage are measured
NEAREST = np.outer((0.0, 1.0, 1.0, 0.0), (0.0, 1.0, 1.0, 0.0))
BILINEAR = np.outer((0.25, 0.75, 0.75, 0.25), (0.25, 0.75, 0.75, 0.25))
# Networks whose layers are those below, and the kernel that enlarges (transposed, stride 2).
NETWORKS = {"dcgan": NEAREST, "dcgan-filtered": BILINEAR, "wgan": NEAREST}
MEAN = NEAREST / 4  # with stride 2: the mean over 2x2 pixels


class Reals(NamedTuple):
    """Real images (N, C, H, W) in [-1, 1] of the new size, and their labels (N,) if any."""

    images: np.ndarray
    labels: np.ndarray | None


def doublings(old: models.Shape, new: models.Shape) -> int:
    """Return how often doubling gives the new sides, 0 if none does."""
    for times in range(1, 9):
        if tuple(side * 2**times for side in old[:2]) == tuple(new[:2]):
            return times
    return 0


def check(config: Config, width: int, network: str) -> None:
    """Raise InputError unless a configuration's networks can grow from one's of a width."""
    wrong = {
        f"a model of --network {network}": network != config.network,
        f"--network {config.network}": config.network not in NETWORKS,
        f"--spectral-norm {config.spectral_norm}": config.spectral_norm != "none",
        "--minibatch-deviation": config.minibatch_deviation,
        f"--width {config.width}, below the {width} of the model": config.width < width,
    }
    if any(wrong.values()):
        raise InputError(
            f"A model grows to larger images with --network {' or '.join(NETWORKS)}, without "
            f"--spectral-norm and --minibatch-deviation, and at its own --width or a larger one; "
            f"not with {', '.join(name for name, is_wrong in wrong.items() if is_wrong)}."
        )


def grown(config: Config, old: Groups, shape: models.Shape, classes: int, reals: Reals) -> Groups:
    """Return both players' weights for images of `shape`, from those for half its sides.

    Groups are as in `models.initial_parameters`; a player that `old` lacks is new.
    """
    new = models.initial_parameters(config, shape, classes)
    stages = len(plan(shape[:2], config.width).maps)
    for player, (moved, outputs) in {
        "generator": (_moved_generator, 1),
        "discriminator": (_moved_discriminator, 0),
    }.items():
        if player not in old:
            continue
        given = moved(old[player] | old[f"{player}_buffers"], stages, NETWORKS[config.network])
        for group in (player, f"{player}_buffers"):
            for name in new[group].keys() & given.keys():
                new[group][name] = _widened(name, new[group][name], given[name], outputs)
    _measure(config, new, old, shape, classes, reals)
    return new


def _moved_generator(old: Arrays, stages: int, enlarging: np.ndarray) -> Arrays:
    """Return a generator's weights under the names that they have in one with a stage more."""
    image, last = old["image.conv.weight"], f"up{stages - 1}.conv.weight"
    kernel = _pair(np.eye(image.shape[1]), 0)[:, :, None, None] * enlarging
    return {**old, last: _pair(image, 1), "image.conv.weight": kernel / (1 + SLOPES["generator"])}


def _moved_discriminator(old: Arrays, stages: int, _: np.ndarray) -> Arrays:
    """Return a discriminator's weights under the names that they have in one with a stage more."""
    moved = {
        re.sub(r"^down(\d+)", lambda found: f"down{int(found[1]) + 1}", name): x
        for name, x in old.items()
    }
    first = moved["down2.conv.weight"]
    moved["down2.conv.weight"] = _pair(first, 1) / (1 + SLOPES["discriminator"])
    moved["down1.conv.weight"] = _pair(np.eye(first.shape[1]), 0)[:, :, None, None] * MEAN
    return moved


def _pair(x: np.ndarray, axis: int) -> np.ndarray:
    return np.concatenate([x, -x], axis=axis)


def _widened(name: str, new: np.ndarray, old: np.ndarray, outputs: int) -> np.ndarray:
    """Return a tensor with the old numbers first, and zeros from new inputs to old outputs."""
    if new.shape == old.shape:
        return old
    if any(most < size for most, size in zip(new.shape, old.shape, strict=True)):
        raise InputError(
            f"The model cannot grow into this network: {name} is {old.shape} with its numbers and "
            f"{new.shape} there. Take a larger --width."
        )
    made = np.array(new)
    if new.ndim == 4:
        made[(slice(None),) * outputs + (slice(0, old.shape[outputs]),)] = 0
    made[tuple(map(slice, old.shape))] = old
    return made


def _measure(
    config: Config, new: Groups, old: Groups, shape: models.Shape, classes: int, reals: Reals
) -> None:
    """Set scale, offset and running statistics of the batch norm in each player's new stage."""
    draw, labels = randomness.distribution(config.distribution), np.arange(SAMPLES)
    latents = np.stack([draw(i, "sample", 0, config.latent) for i in range(SAMPLES)])
    stages = len(plan(shape[:2], config.width).maps)
    given = {"generator": (latents, labels % max(1, classes)), "discriminator": tuple(reals)}
    for player, network, _ in models.players(config, shape, classes):
        stage = {"generator": f"up{stages - 1}", "discriminator": "down2"}[player]
        norm, buffers = f"{stage}.norm.", new[f"{player}_buffers"]
        if player not in old or f"{norm}running_mean" not in buffers:
            continue
        inputs = given[player] if classes else given[player][:1]
        features = _features(network, new[player], buffers, f"{stage}.conv", inputs)
        mean = features.mean(axis=(0, 2, 3))
        variance = features.var(axis=(0, 2, 3))
        buffers[f"{norm}running_mean"], buffers[f"{norm}running_var"] = mean, variance
        count = 2 * shape[2] if player == "generator" else len(old[player]["down1.conv.weight"])
        root = np.sqrt(variance + BATCH_NORM_EPSILON)
        for name, values in {"weight": root, "bias": mean}.items():
            for each in new[player].keys() & {f"{norm}{name}", f"{norm}class_{name}"}:
                new[player][each][..., :count] = values[:count]


def _features(
    network: nn.Network, parameters: Arrays, buffers: Arrays, layer: str, inputs: Sequence[Any]
) -> np.ndarray:
    """Return the output of a layer within a network."""
    found = {}

    def intercept(scope: nn.Scope, compute: Any, x: Any) -> Any:
        found[scope.path] = compute(x)
        return found[scope.path]

    hooks = nn.LayerHooks(intercept=intercept)
    nn.apply(network, parameters, buffers, *inputs, training=False, hooks=hooks)
    return np.asarray(found[layer], np.float64)
