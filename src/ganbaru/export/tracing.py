"""A trained network run on the tracing engine: what every exported form is made of."""

from __future__ import annotations

from ganbaru import nn
from ganbaru.engines.onnx import Tensor, constant
from ganbaru.errors import InputError
from ganbaru.sampling.players import Player


def traced(player: Player, *inputs: Tensor) -> Tensor:
    """Return what a player makes of inputs, in inference mode, its weights being constants.

    Raises InputError for a network that cannot leave open how many images there are.
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
            f"The {player.name} cannot be exported with the number of images left open: {error}. "
            f"Change that in {player.config.network}."
        ) from error
    return result
