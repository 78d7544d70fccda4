"""Features of a network's last layer: what G makes an image of, and D a score."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import nn
from ganbaru.errors import InputError
from ganbaru.nn import LayerHooks, Scope
from ganbaru.ops import Tensor
from ganbaru.sampling.generators import BATCH
from ganbaru.sampling.labels import Inputs
from ganbaru.sampling.players import Player, load_player
from ganbaru.training import checkpoint, run_folder

# Of images (N, C, H, W) in [-1, 1] and their labels, (N, D).
Features = Callable[[NDArray[np.floating], Inputs | None], NDArray[np.float64]]


def discriminator(run: str | Path, which: str, trust: Collection[str]) -> Player | None:
    """Load a run's D, as `load_player` does; None if its file has a generator alone."""
    path = run_folder.find_checkpoint(run, which)
    groups, _ = checkpoint.load(path, ("discriminator",), verify=False)
    found = any(groups.values())
    return load_player(path, which, "discriminator", trust=trust) if found else None


def by_discriminator(run: str | Path, which: str, trust: Collection[str]) -> Features | None:
    """Return the features of D's last layer, computed in float64; None where nothing has them.

    That is a file without a D, a D of one's own without layers of `ganbaru.nn`, and one that
    compares the images of a batch, whose features are not those of an image.
    """
    player = discriminator(run, which, trust)
    if player is None or player.config.minibatch_deviation:
        return None
    arrays = (player.parameters, player.buffers)
    parameters, buffers = ({n: x.astype(np.float64) for n, x in each.items()} for each in arrays)
    wide = dataclasses.replace(player, parameters=parameters, buffers=buffers)

    def features(images: NDArray[np.floating], labels: Inputs | None) -> NDArray[np.float64]:
        given = [] if labels is None else [labels]
        return last_features(wide, images.astype(np.float64), *given)

    rows = len(player.attributes)
    labels = np.zeros((1, rows), np.float32) if rows else np.zeros(1, np.int64)
    try:
        features(np.zeros((1, *player.shape)), labels if player.inputs else None)
    except InputError:
        return None
    return features


def batches(*inputs: NDArray[Any]) -> Iterator[list[NDArray[Any]]]:
    """Yield parts of inputs (N, ...), some images at once."""
    for start in range(0, len(inputs[0]), BATCH):
        yield [x[start : start + BATCH] for x in inputs]


def last_features(player: Player, *inputs: NDArray[Any]) -> NDArray[Any]:
    """Return the input (N, D) of a network's last layer for inputs (N, ...), by the NumPy engine.

    Raises InputError for a network of one's own that has no layers of `ganbaru.nn`.
    """
    seen: list[Any] = []

    def keep(scope: Scope, compute: Any, x: Tensor) -> Tensor:
        seen[:] = [x]
        return compute(x)

    made = []
    for some in batches(*inputs):
        weights, hooks = (player.parameters, player.buffers), LayerHooks(intercept=keep)
        nn.apply(player.network, *weights, *some, training=False, hooks=hooks)
        if not seen:
            raise InputError(
                f"The network {player.config.network} calls no layer of ganbaru.nn, whose features "
                f"could be read: write it with nn.conv, nn.up_conv or nn.dense."
            )
        made.append(np.asarray(seen[0]).reshape(len(some[0]), -1))
    return np.concatenate(made)
