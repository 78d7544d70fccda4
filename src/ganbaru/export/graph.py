"""From a traced graph to the bytes of an ONNX file."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from ganbaru import __version__
from ganbaru.engines.onnx import FLOAT, Tensor
from ganbaru.errors import InputError
from ganbaru.export.folding import order, simplified
from ganbaru.export.precision import rounded

# An old opset, and its format, for the sake of runtimes that lag behind: ONNX Runtime has had it
# since 1.7 (2021).
OPSET, IR_VERSION = 13, 7
MOST_BYTES = 2**31 - 2**20  # protobuf's limit for one file, less a graph
INT = 7  # ONNX's number for int64


def library() -> ModuleType:
    """Import onnx; raises InputError where it is missing."""
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise InputError(
            "An ONNX file needs onnx, which is not installed. Install it with: pip install "
            "'ganbaru[onnx]'; a .safetensors file needs nothing more."
        ) from error


def encoded(
    inputs: Sequence[Tensor], result: Tensor, made: str, precision: str, about: Mapping[str, str]
) -> bytes:
    """Return the model that computes `result`, which it calls `made`, checked by onnx itself.

    `about` are its metadata. Raises InputError for weights that do not fit.
    """
    onnx = library()
    graph = _Graph(onnx, precision)
    graph.add(simplified(result), inputs, made)
    sides = ["N", *result.shape[1:]]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes, about["preset"] or about["network"], [_described(onnx, x) for x in inputs],
            [onnx.helper.make_tensor_value_info(made, FLOAT, sides)], graph.constants,
        ),
        producer_name="ganbaru", producer_version=__version__, ir_version=IR_VERSION,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
    )  # fmt: skip
    onnx.helper.set_model_props(model, dict(about))
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def _described(onnx: ModuleType, x: Tensor) -> Any:
    kind = INT if x.kind == "int" else FLOAT
    return onnx.helper.make_tensor_value_info(x.name, kind, ["N", *x.shape[1:]])


class _Graph:
    """Collects nodes and constants, and names them by the layers they are of."""

    def __init__(self, onnx: ModuleType, precision: str) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._onnx = onnx
        self._precision = precision
        self._taken: set[str] = set()

    def add(self, result: Tensor, inputs: Sequence[Tensor], made: str) -> None:
        """Add all that a result is made of."""
        names = {x: x.name for x in inputs}
        self._taken.update([*names.values(), made])
        bytes_ = 0
        for tensor in order(result):
            if tensor.value is not None:
                names[tensor] = self._free(tensor.name or "constant")
                array = self._array(tensor)
                bytes_ += array.nbytes
                _check_size(bytes_)
                self.constants.append(self._onnx.numpy_helper.from_array(array, names[tensor]))
            elif tensor.operation == "Nothing":
                names[tensor] = ""  # ONNX's word for an input that is left out
            elif tensor not in names:
                names[tensor] = made if tensor is result else self._free(_layer(tensor))
                each = [names[x] for x in tensor.inputs]
                self.nodes.append(self._onnx.helper.make_node(
                    tensor.operation, each, [names[tensor]], names[tensor], **tensor.attributes
                ))  # fmt: skip

    def _free(self, name: str) -> str:
        numbered = (f"{name}_{number}" for number in itertools.count(2))
        free = next(each for each in itertools.chain([name], numbered) if each not in self._taken)
        self._taken.add(free)
        return free

    def _array(self, tensor: Tensor) -> np.ndarray:
        values = np.asarray(tensor.value)
        kinds = {"float": self._precision, "single": "float32"}
        if tensor.kind in kinds:
            return rounded(values, tensor.name, kinds[tensor.kind])
        return values


def _layer(tensor: Tensor) -> str:
    """Return the name of the layer whose weights an operation takes, or the operation's own."""
    named = (x.name.rpartition(".")[0] for x in tensor.inputs if x.value is not None)
    return next(filter(None, named), tensor.operation.lower())


def _check_size(count: int) -> None:
    if count > MOST_BYTES:
        raise InputError(
            f"The weights are more than the {MOST_BYTES / 1e9:.1f} GB that fit into one ONNX file: "
            f"take --precision float16, or a .safetensors file."
        )
