"""Run a trained network on the tracing engine, the basis of ONNX models and pages."""

from __future__ import annotations

from ganbaru import nn
from ganbaru.engines.onnx import Tensor, constant
from ganbaru.errors import InputError
from ganbaru.sampling.players import Player


def traced(player: Player, *inputs: Tensor) -> Tensor:
    """Return a player's traced result in inference mode, with its weights as constants.

    Raises InputError for a network that needs a fixed batch size.
    """
    parameters, buffers = (
        {name: constant(array, name) for name, array in arrays.items()}
        for arrays in (player.parameters, player.buffers)
    )
    try:
        result, _ = nn.apply(player.network, parameters, buffers, *inputs, training=False)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(
            f"The {player.name} cannot be exported with an open batch size: {error}. Change its "
            f"network, {player.config.network}, so that it does not use the number of images."
        ) from error
    return result
