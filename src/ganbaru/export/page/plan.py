"""Plan a page's computation: a generator as a list of operations for one image, in order.

It is the ONNX engine's graph, folded as for an ONNX model, but for one latent and with class
weights as labels: all sizes are plain numbers, and classes can be blended. Each layer's weights
become the matrix (M, K) that its inputs are multiplied by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ganbaru.engines.onnx import Tensor
from ganbaru.errors import InputError
from ganbaru.export import tracing
from ganbaru.export.folding import order, simplified
from ganbaru.export.page.packing import Packer
from ganbaru.sampling.players import Player

Node = dict[str, Any]
_NUMBERS = ("float", "bool")  # kinds of tensors with data; shapes and axes have none


def traced(player: Player) -> Tensor:
    """Run a generator on the tracing engine for one latent, and fold its constants."""
    latents = Tensor("Input", (), {}, (1, *player.shape), name="latents")
    labels = Tensor("Input", (), {}, (1, len(player.inputs)), name="labels")
    return simplified(tracing.traced(player, latents, *([labels] if player.inputs else [])))


def plan(result: Tensor, packer: Packer) -> list[Node]:
    """Return the operations of a traced generator; the last one gives the image (1, C, H, W).

    An operation has `op`, the `shape` of its result, the indices `of` its inputs in this list, and
    its attributes. Numbers go to the packer. Raises InputError for an operation that pages lack.
    """
    made = _Plan(packer)
    for tensor in order(result):
        if tensor.value is None and tensor.operation != "Nothing":
            made.add(tensor)
    return made.nodes


class _Plan:
    """Collects operations and their constants."""

    def __init__(self, packer: Packer) -> None:
        self.nodes: list[Node] = []
        self._packer = packer
        self._places: dict[Tensor, int] = {}

    def add(self, tensor: Tensor) -> None:
        """Add an operation; its inputs have been added before."""
        if tensor.operation not in NEEDS:
            raise InputError(
                f"A page cannot compute {tensor.operation}, which this generator uses: export to "
                f".onnx instead."
            )
        needs = NEEDS[tensor.operation](tensor)
        inputs = [x for x in tensor.inputs if x.kind in _NUMBERS and x.operation != "Nothing"]
        if tensor.operation in MATRICES:
            weight = tensor.inputs[1]
            if weight.value is None:
                raise InputError(
                    f"A page cannot compute {tensor.operation} with weights that depend on "
                    f"latents: export to .onnx instead."
                )
            inputs.remove(weight)
            value = _ungrouped(weight.value, tensor.attributes.get("group", 1))
            matrix = MATRICES[tensor.operation](value)
            needs["matrix"] = self._packer.matrix(matrix, weight.name)
        self._append(tensor, of=[self._place(x) for x in inputs], **needs)

    def _append(self, tensor: Tensor, **needs: Any) -> None:
        self._places[tensor] = len(self.nodes)
        self.nodes.append({"op": tensor.operation, "shape": list(tensor.shape), **needs})

    def _place(self, tensor: Tensor) -> int:
        if tensor not in self._places:
            packed = self._packer.array(np.asarray(tensor.value, np.float64), tensor.name)
            self._append(tensor, of=[], at=packed["at"])
        return self._places[tensor]


# A layer's weights as the matrix (M, K) that its inputs, K numbers at each position, are multiplied
# by: for a transposed convolution, M counts output channels times taps of the kernel.
MATRICES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Gemm": lambda w: w.T,
    "Conv": lambda w: w.reshape(len(w), -1),
    "ConvTranspose": lambda w: w.transpose(1, 2, 3, 0).reshape(-1, len(w)),
}


def _ungrouped(kernel: np.ndarray, groups: int) -> np.ndarray:
    """Return a kernel (O, C / groups, ...) of all C channels, zero outside each output's group."""
    if groups == 1:
        return kernel
    count, channels = len(kernel) // groups, kernel.shape[1]
    whole = np.zeros((len(kernel), groups * channels, *kernel.shape[2:]), kernel.dtype)
    for i in range(groups):
        rows, columns = (slice(i * size, (i + 1) * size) for size in (count, channels))
        whole[rows, columns] = kernel[rows]
    return whole


def _starts(tensor: Tensor) -> Node:
    _, starts, _, axes = tensor.inputs
    given = dict(zip(_numbers(axes), _numbers(starts), strict=True))
    return {"starts": [given.get(axis, 0) for axis in range(len(tensor.shape))]}


def _kernel(tensor: Tensor) -> Node:
    stride, padding = tensor.attributes["strides"][0], tensor.attributes["pads"][0]
    return {"kernel": list(tensor.inputs[1].shape[2:]), "stride": stride, "padding": padding}


def _numbers(x: Tensor) -> list[int]:
    return np.asarray(x.value).tolist()


_PLAIN = """Gemm Reshape Expand Resize AveragePool Relu Tanh Sigmoid Exp Log Sqrt Softplus Add Sub
Mul Div Pow Max Greater Less GreaterOrEqual LessOrEqual"""

# The attributes of each operation that a page can compute.
NEEDS: dict[str, Callable[[Tensor], Node]] = {
    "Input": lambda tensor: {"name": tensor.name},
    "Conv": _kernel,
    "ConvTranspose": _kernel,
    "Pad": lambda tensor: {"widths": _numbers(tensor.inputs[1])},
    "ReduceSum": lambda tensor: {"axes": _numbers(tensor.inputs[1])},
    "ReduceMean": lambda tensor: {"axes": tensor.attributes["axes"]},
    "Slice": _starts,
    "Transpose": lambda tensor: tensor.attributes,
    "Concat": lambda tensor: {"axis": tensor.attributes["axis"] % len(tensor.shape)},
    "LeakyRelu": lambda tensor: tensor.attributes,
    **dict.fromkeys(_PLAIN.split(), lambda tensor: {}),
}
