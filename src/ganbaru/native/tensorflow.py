"""Trained networks in TensorFlow, as a `tf.Module`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from ganbaru import native, nn
from ganbaru.errors import InputError
from ganbaru.sampling.players import Player, load_player

try:
    # First: it silences TensorFlow's log.
    import ganbaru.engines.tensorflow  # noqa: F401, I001
    import tensorflow as tf
except ImportError as error:
    raise native.missing("tensorflow") from error


class Network(tf.Module):  # type: ignore[misc]  # TensorFlow has no types
    """A generator or discriminator; `parameters` (trainable) and `buffers` hold its variables.

    Both are dictionaries with the checkpoint's names.
    """

    def __init__(self, player: Player) -> None:
        super().__init__(name=player.name.replace("-", "_"))
        self._player = player
        self.parameters = {
            name: tf.Variable(array, name=name) for name, array in player.parameters.items()
        }
        self.buffers = {
            name: tf.Variable(array, name=name, trainable=False)
            for name, array in player.buffers.items()
        }

    def __call__(self, x: Any, labels: Any = None, training: bool = False) -> Any:
        """Map latents (N, Z) to images (N, C, H, W) in [-1, 1], or images to scores.

        `labels` are integers (N,) or class weights (N, classes). In training, batch norm uses the
        batch's statistics and updates the running ones; otherwise it uses the running ones.
        """
        dtype = next(iter(self.parameters.values())).dtype
        x = tf.convert_to_tensor(x, dtype)
        given = [] if labels is None else [tf.convert_to_tensor(labels)]
        given = [tf.cast(y, dtype) if y.dtype.is_floating else y for y in given]
        self._check(x, *given)
        values = ({n: v.value() for n, v in d.items()} for d in (self.parameters, self.buffers))
        result, buffers = nn.apply(self._player.network, *values, x, *given, training=training)
        for name, variable in self.buffers.items() if training else ():
            variable.assign(buffers[name])
        return result

    def _check(self, x: Any, labels: Any = None) -> None:
        if x.shape.rank and x.shape[0] is None:
            raise InputError(
                f"The {self._player.name} needs a fixed batch size when it is traced: use "
                f"tf.TensorSpec with a number, such as (64, ...), not None."
            )
        values = labels.numpy() if labels is not None and tf.executing_eagerly() else None
        native.check_inputs(self._player, x.shape, None if labels is None else labels.shape, values)


def module(
    run: str | Path,
    player: str = "generator",
    which: str = "auto",
    *,
    trust: Collection[str] = (),
) -> Network:
    """Load a run's network as a `tf.Module`.

    `run`, `which` and `trust` are as in `ganbaru.load`; `player` is one of
    `ganbaru.native.PLAYERS`. Raises InputError for an unknown player or a missing or damaged
    checkpoint.
    """
    return Network(load_player(run, which, player, trust))
