"""What a traced graph can do without: affine maps are drawn into the layers before them.

So batch norm, biases and a factor before the last tanh cost nothing in an exported model. All
constants are combined in float64 and rounded once, when they are written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ganbaru.engines.onnx import Tensor, affine, constant, reshape

Change = Callable[[Tensor, set[Tensor]], Tensor]

# The axis of a layer's weights that its output channels are on.
_OUTPUTS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 1}


def order(result: Tensor) -> list[Tensor]:
    """Return all that a result is made of, each after what it is made of itself."""
    found: dict[Tensor, None] = {}
    waiting = [(result, False)]
    while waiting:
        tensor, ready = waiting.pop()
        if ready:
            found[tensor] = None
        elif tensor not in found:
            waiting.append((tensor, True))
            waiting.extend((each, False) for each in reversed(tensor.inputs))
    return list(found)


def simplified(result: Tensor) -> Tensor:
    """Return the same result with as few affine maps as can be, each as ONNX's Mul and Add."""
    return _changed(_changed(result, _absorbed), _two)


def _changed(result: Tensor, change: Change) -> Tensor:
    """Change every tensor that leads to a result, with what it is made of changed already.

    Told what one tensor alone uses: more would be in the model twice if one use were changed.
    """
    there = order(result)
    uses = Counter(each for tensor in there for each in tensor.inputs)
    new: dict[Tensor, Tensor] = {}
    alone: set[Tensor] = set()
    for tensor in there:
        inputs = tuple(new[each] for each in tensor.inputs)
        made = tensor if inputs == tensor.inputs else replace(tensor, inputs=inputs)
        new[tensor] = change(made, alone)
        if uses[tensor] == 1:
            alone.add(new[tensor])
    return new[result]


def _absorbed(tensor: Tensor, alone: set[Tensor]) -> Tensor:
    """Return an affine map drawn into what is before it, or the tensor as it is."""
    if tensor.operation != "Affine" or tensor.inputs[0] not in alone:
        return tensor
    draw = _INTO.get(tensor.inputs[0].operation)
    drawn = draw(tensor, alone) if draw else None
    return drawn or tensor


def _values(tensor: Tensor) -> tuple[Any, Any]:
    return tensor.inputs[1].value, tensor.inputs[2].value


def _into_map(tensor: Tensor, alone: set[Tensor]) -> Tensor:
    """b (a x + c) + d is one map; what it is of may take it in now."""
    inner = tensor.inputs[0]
    (first, second), (scale, offset) = _values(inner), _values(tensor)
    names = [a.name or b.name for a, b in zip(tensor.inputs[1:], inner.inputs[1:], strict=True)]
    parts = map(constant, (first * scale, second * scale + offset), names)
    return _absorbed(affine(inner.inputs[0], *parts), alone)


def _per_channel(values: np.ndarray, shape: tuple) -> np.ndarray | None:
    """Return numbers as one for each channel (axis 1) of a shape; None if they are more."""
    sides = (1,) * (len(shape) - values.ndim) + values.shape
    return np.broadcast_to(values.reshape(-1), shape[1:2]) if values.size == sides[1] else None


def _into_layer(tensor: Tensor, alone: set[Tensor]) -> Tensor | None:
    """Multiply a layer's weights, and add to its bias, channel by channel."""
    layer = tensor.inputs[0]
    scale, offset = (_per_channel(each, layer.shape) for each in _values(tensor))
    x, weight, *bias = layer.inputs
    if weight.value is None or scale is None or offset is None:
        return None
    sides = [1] * weight.value.ndim
    sides[_OUTPUTS[layer.operation]] = -1
    known = bias[0].value if bias else np.zeros(len(scale))
    moved = constant(known * scale + offset, weight.name.removesuffix("weight") + "bias")
    scaled = constant(weight.value * scale.reshape(sides), weight.name)
    return replace(layer, inputs=(x, scaled, moved))


def _into_reshape(tensor: Tensor, alone: set[Tensor]) -> Tensor | None:
    """Move a map before a reshape of each image by itself, such as a linear layer's to pixels."""
    shaped = tensor.inputs[0]
    x = shaped.inputs[0]
    if x not in alone or x.operation != "Gemm" or x.shape[0] is not shaped.shape[0]:
        return None
    each = (1, *shaped.shape[1:])
    flat = (constant(np.broadcast_to(c, each).reshape(1, -1)) for c in _values(tensor))
    moved = _absorbed(affine(x, *flat), alone)
    alone.add(moved)
    return reshape(moved, shaped.shape)


_INTO: dict[str, Callable[[Tensor, set[Tensor]], Tensor | None]] = {
    "Affine": _into_map,
    "Reshape": _into_reshape,
    **dict.fromkeys(_OUTPUTS, _into_layer),
}


def _two(tensor: Tensor, alone: set[Tensor]) -> Tensor:
    """Return an affine map as Mul and Add, without the one that would do nothing."""
    if tensor.operation != "Affine":
        return tensor
    made, scale, offset = tensor.inputs
    for operation, values, idle in (("Mul", scale, 1), ("Add", offset, 0)):
        if np.any(values.value != idle):
            made = Tensor(operation, (made, values), {}, tensor.shape)
    return made
