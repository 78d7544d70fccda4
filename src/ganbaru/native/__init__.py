"""Native shells: a run's trained networks as objects of a framework, and what these have in common.

`ganbaru.native.torch`, `.tensorflow` and `.jax` are one file each; this one loads no framework.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru import engines
from ganbaru.config import Config, from_fields
from ganbaru.errors import InputError, pick
from ganbaru.gan import models
from ganbaru.nn import Network
from ganbaru.training import checkpoint, run_folder
from ganbaru.training.checkpoint import Header

Arrays = dict[str, np.ndarray]

# Whose weights: the group of a checkpoint that holds them, and whether the network is G or D.
PLAYERS = {
    "generator": ("ema", "generator"),  # the running average, which is sampled
    "unaveraged-generator": ("generator", "generator"),
    "discriminator": ("discriminator", "discriminator"),
}


@dataclass(frozen=True)
class Player:
    """A trained network and its weights in NumPy, under the checkpoint's names.

    `shape` is that of one input: (Z,) of a latent, (C, H, W) of an image. `classes` are the names
    of the labels it takes, () for an unconditional one. `path` is the checkpoint's, and `config`
    and `header` are what it says of itself.
    """

    name: str
    network: Network
    parameters: Arrays
    buffers: Arrays
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    path: Path
    config: Config
    header: Header

    def check(
        self, shape: Sequence[int | None], labels: Sequence[int | None] | None, values: Any
    ) -> None:
        """Raise InputError unless an input of this shape, with labels of that one, can be taken.

        `values` are the labels themselves, or None while a compiler traces and there are none yet.
        """
        if tuple(shape[1:]) != self.shape:
            raise InputError(
                f"The {self.name} takes {self._kind()} (N, {', '.join(map(str, self.shape))}), not "
                f"{tuple(shape)}."
            )
        if not self.classes:
            if labels is not None:
                raise InputError(f"This {self.name} is unconditional: it takes no labels.")
            return
        count = len(self.classes)
        if labels is None or tuple(labels) not in ((shape[0],), (shape[0], count)):
            given = "no labels" if labels is None else f"labels of shape {tuple(labels)}"
            raise InputError(
                f"This {self.name} has {count} classes and was given {given}: give whole numbers "
                f"from 0 to {count - 1}, one for each of the {shape[0]} {self._kind()}, or weights "
                f"of the classes ({shape[0]}, {count})."
            )
        if values is not None and len(labels) == 1:
            self._check_range(np.asarray(values))

    def _check_range(self, labels: np.ndarray) -> None:
        wrong = labels[(labels < 0) | (labels >= len(self.classes))]
        if wrong.size:
            raise InputError(
                f"Label {wrong[0]} is out of range: give 0 to {len(self.classes) - 1} "
                f"({', '.join(self.classes)})."
            )

    def _kind(self) -> str:
        return "latents" if len(self.shape) == 1 else "images"


def load(run: str | Path, player: str, which: str) -> Player:
    """Load one of `PLAYERS` from a run's checkpoint, as `ganbaru.load` finds it.

    Raises InputError for an unknown player, a missing run or checkpoint, or a damaged file.
    """
    group, kind = pick("player", player, PLAYERS)
    path = run_folder.find_checkpoint(run, which)
    groups, header = checkpoint.load(path)
    config, shape = from_fields(header.config), tuple(header.data["shape"])
    classes = models.class_names(config, header.data["classes"])
    first = models.initial_parameters(config, shape, len(classes))
    expected = {group: first[kind], f"{group}_buffers": first[f"{kind}_buffers"]}
    checkpoint.check_fits(path, groups, expected)
    index = ("generator", "discriminator").index(kind)
    inputs = models.input_shapes(config, shape, len(classes))[index]
    number = engines.storage_precision(config.precision)
    # An exported file may hold halves.
    parameters, buffers = (
        {name: groups[kept][name].astype(number) for name in expected[kept]} for kept in expected
    )
    return Player(
        name=player,
        network=models.networks(config, shape, len(classes))[index],
        parameters=parameters,
        buffers=buffers,
        shape=inputs[0][1:],
        classes=classes,
        path=path,
        config=config,
        header=header,
    )


def missing(library: str) -> InputError:
    """Build the error for a framework that is not installed."""
    return InputError(
        f"ganbaru.native.{library} needs {library}, which is not installed. "
        f"Install it with: pip install 'ganbaru[{library}]'."
    )
