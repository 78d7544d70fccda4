"""Constant folding in a traced graph: affine maps are merged into the layers before them.

Batch norm, biases and a factor before the last tanh then cost nothing in an exported model.
Constants are combined in float64 and rounded once, when they are written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ganbaru.engines.onnx import Tensor, affine, constant, reshape

Rewrite = Callable[[Tensor, set[Tensor]], Tensor]

# The axis of a layer's output channels in its weights.
_OUTPUTS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 1}


def order(result: Tensor) -> list[Tensor]:
    """Return all tensors that a result depends on, in topological order."""
    found: dict[Tensor, None] = {}
    stack = [(result, False)]
    while stack:
        tensor, ready = stack.pop()
        if ready:
            found[tensor] = None
        elif tensor not in found:
            stack.append((tensor, True))
            stack.extend((each, False) for each in reversed(tensor.inputs))
    return list(found)


def simplified(result: Tensor) -> Tensor:
    """Return an equal result with as few affine maps as possible, each as ONNX's Mul and Add."""
    return _rewritten(_rewritten(result, _folded), _mul_add)


def _rewritten(result: Tensor, rewrite: Rewrite) -> Tensor:
    """Rewrite every tensor that a result depends on, inputs first.

    `rewrite` also gets the tensors with a single use: one with more uses would be duplicated if
    it were changed for one of them.
    """
    tensors = order(result)
    uses = Counter(each for tensor in tensors for each in tensor.inputs)
    new: dict[Tensor, Tensor] = {}
    single: set[Tensor] = set()
    for tensor in tensors:
        inputs = tuple(new[each] for each in tensor.inputs)
        made = tensor if inputs == tensor.inputs else replace(tensor, inputs=inputs)
        new[tensor] = rewrite(made, single)
        if uses[tensor] == 1:
            single.add(new[tensor])
    return new[result]


def _folded(tensor: Tensor, single: set[Tensor]) -> Tensor:
    """Return an affine map merged into its input, or the tensor itself."""
    if tensor.operation != "Affine" or tensor.inputs[0] not in single:
        return tensor
    fold = _INTO.get(tensor.inputs[0].operation)
    return (fold(tensor, single) if fold else None) or tensor


def _values(tensor: Tensor) -> tuple[Any, Any]:
    return tensor.inputs[1].value, tensor.inputs[2].value


def _into_map(tensor: Tensor, single: set[Tensor]) -> Tensor:
    """Merge b (a x + c) + d into one map, and fold that further."""
    inner = tensor.inputs[0]
    (first, second), (scale, offset) = _values(inner), _values(tensor)
    names = [a.name or b.name for a, b in zip(tensor.inputs[1:], inner.inputs[1:], strict=True)]
    parts = map(constant, (first * scale, second * scale + offset), names)
    return _folded(affine(inner.inputs[0], *parts), single)


def _per_channel(values: np.ndarray, shape: tuple) -> np.ndarray | None:
    """Return constants as one number for each channel (axis 1); None if they vary within one."""
    sides = (1,) * (len(shape) - values.ndim) + values.shape
    return np.broadcast_to(values.reshape(-1), shape[1:2]) if values.size == sides[1] else None


def _into_layer(tensor: Tensor, single: set[Tensor]) -> Tensor | None:
    """Merge a map of channels into a layer's weights and bias."""
    layer = tensor.inputs[0]
    scale, offset = (_per_channel(each, layer.shape) for each in _values(tensor))
    x, weight, *bias = layer.inputs
    if weight.value is None or scale is None or offset is None:
        return None
    sides = [1] * weight.value.ndim
    sides[_OUTPUTS[layer.operation]] = -1
    old = bias[0].value if bias else np.zeros(len(scale))
    moved = constant(old * scale + offset, weight.name.removesuffix("weight") + "bias")
    scaled = constant(weight.value * scale.reshape(sides), weight.name)
    return replace(layer, inputs=(x, scaled, moved))


def _into_reshape(tensor: Tensor, single: set[Tensor]) -> Tensor | None:
    """Move a map before a reshape that keeps the batch axis, such as of a dense layer."""
    shaped = tensor.inputs[0]
    x = shaped.inputs[0]
    if x not in single or x.operation != "Gemm" or x.shape[0] is not shaped.shape[0]:
        return None
    each = (1, *shaped.shape[1:])
    flat = (constant(np.broadcast_to(c, each).reshape(1, -1)) for c in _values(tensor))
    moved = _folded(affine(x, *flat), single)
    single.add(moved)
    return reshape(moved, shaped.shape)


_INTO: dict[str, Callable[[Tensor, set[Tensor]], Tensor | None]] = {
    "Affine": _into_map,
    "Reshape": _into_reshape,
    **dict.fromkeys(_OUTPUTS, _into_layer),
}


def _mul_add(tensor: Tensor, single: set[Tensor]) -> Tensor:
    """Return an affine map as Mul and Add, leaving out a factor of 1 or an offset of 0."""
    if tensor.operation != "Affine":
        return tensor
    made, scale, offset = tensor.inputs
    for operation, values, idle in (("Mul", scale, 1), ("Add", offset, 0)):
        if np.any(values.value != idle):
            made = Tensor(operation, (made, values), {}, tensor.shape)
    return made
