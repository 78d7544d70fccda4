"""Native objects: a run's trained networks as modules of PyTorch, TensorFlow or JAX.

`ganbaru.native.torch`, `.tensorflow` and `.jax` hold one framework each; this file imports none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ganbaru.errors import InputError, missing_extra
from ganbaru.sampling.players import PLAYERS, Player, load_player

__all__ = ["PLAYERS", "Player", "check_inputs", "load_player", "missing"]


def check_inputs(
    player: Player, shape: Sequence[int | None], labels: Sequence[int | None] | None, values: Any
) -> None:
    """Raise InputError unless the player takes inputs and labels of these shapes.

    `values` are the labels themselves, or None while a compiler traces and they are not known.
    """
    kind = "latents" if len(player.shape) == 1 else "images"
    if tuple(shape[1:]) != player.shape:
        raise InputError(
            f"The {player.name} takes {kind} (N, {', '.join(map(str, player.shape))}), not "
            f"{tuple(shape)}."
        )
    if not player.inputs:
        if labels is not None:
            raise InputError(f"This {player.name} is unconditional: it takes no labels.")
        return
    count = len(player.inputs)
    if player.attributes and (labels is None or tuple(labels) != (shape[0], count)):
        got = "nothing" if labels is None else f"shape {tuple(labels)}"
        raise InputError(
            f"This {player.name} takes rows of {count} attributes ({', '.join(player.inputs)}), "
            f"each scaled from its range to [-1, 1], as labels of shape ({shape[0]}, {count}), and "
            f"got {got}."
        )
    if labels is None or tuple(labels) not in ((shape[0],), (shape[0], count)):
        got = "no labels" if labels is None else f"labels of shape {tuple(labels)}"
        raise InputError(
            f"This {player.name} has {count} classes and got {got}: give integers from 0 to "
            f"{count - 1}, one for each of the {shape[0]} {kind}, or class weights "
            f"({shape[0]}, {count})."
        )
    if values is not None and len(labels) == 1:
        given = np.asarray(values)
        wrong = given[(given < 0) | (given >= count)]
        if wrong.size:
            raise InputError(
                f"Label {wrong[0]} is out of range: give 0 to {count - 1} "
                f"({', '.join(player.classes)})."
            )


def missing(library: str) -> InputError:
    """Build the error for a framework that is not installed."""
    return missing_extra(f"ganbaru.native.{library} needs {library}", library)
