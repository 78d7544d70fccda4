"""Encode a traced graph as an ONNX file."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from ganbaru import __version__
from ganbaru.engines.onnx import BYTE, FLOAT, Tensor
from ganbaru.errors import InputError, missing_extra
from ganbaru.export.folding import order, simplified
from ganbaru.export.precision import rounded

# An old opset and file format, for old runtimes: ONNX Runtime supports them since 1.7 (2021).
OPSET, IR_VERSION = 13, 7
MAX_BYTES = 2**31 - 2**20  # of weights: protobuf's limit for a file, less room for the graph
INT = 7  # ONNX's type number of int64


def library() -> ModuleType:
    """Import onnx; raises InputError if it is not installed."""
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        otherwise = "An export to .safetensors needs no package."
        raise missing_extra("An ONNX file needs onnx", "onnx", otherwise) from error


def encoded(
    inputs: Sequence[Tensor], result: Tensor, output: str, precision: str, facts: Mapping[str, str]
) -> bytes:
    """Return the model that computes `result`, named `output`, checked by onnx.

    `facts` are its metadata. Raises InputError for weights that do not fit in one file.
    """
    onnx = library()
    graph = _Graph(onnx, precision)
    graph.add(simplified(result), inputs, output)
    shape = ["N", *result.shape[1:]]
    kind = BYTE if result.kind == "byte" else FLOAT
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            facts["preset"] or facts["network"],
            [_input(onnx, x) for x in inputs],
            [onnx.helper.make_tensor_value_info(output, kind, shape)],
            graph.constants,
        ),
        producer_name="ganbaru",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
    )
    onnx.helper.set_model_props(model, dict(facts))
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def _input(onnx: ModuleType, x: Tensor) -> Any:
    kind = INT if x.kind == "int" else FLOAT
    return onnx.helper.make_tensor_value_info(x.name, kind, ["N", *x.shape[1:]])


class _Graph:
    """Collects ONNX nodes and constants, and names them after their layers."""

    def __init__(self, onnx: ModuleType, precision: str) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._onnx = onnx
        self._precision = precision
        self._names: set[str] = set()

    def add(self, result: Tensor, inputs: Sequence[Tensor], output: str) -> None:
        """Add everything that a result depends on."""
        names = {x: x.name for x in inputs}
        self._names.update([*names.values(), output])
        total = 0
        for tensor in order(result):
            if tensor.value is not None:
                names[tensor] = self._unique(tensor.name or "constant")
                array = self._array(tensor)
                total += array.nbytes
                _check_size(total)
                self.constants.append(self._onnx.numpy_helper.from_array(array, names[tensor]))
            elif tensor.operation == "Nothing":
                names[tensor] = ""  # an optional input that is left out
            elif tensor not in names:
                name = output if tensor is result else self._unique(_layer(tensor))
                names[tensor] = name
                given = [names[x] for x in tensor.inputs]
                make = self._onnx.helper.make_node
                self.nodes.append(make(tensor.operation, given, [name], name, **tensor.attributes))

    def _unique(self, name: str) -> str:
        numbered = (f"{name}_{number}" for number in itertools.count(2))
        unique = next(each for each in itertools.chain([name], numbered) if each not in self._names)
        self._names.add(unique)
        return unique

    def _array(self, tensor: Tensor) -> np.ndarray:
        values = np.asarray(tensor.value)
        precisions = {"float": self._precision, "single": "float32"}
        if tensor.kind in precisions:
            return rounded(values, tensor.name, precisions[tensor.kind])
        return values


def _layer(tensor: Tensor) -> str:
    """Return the name of the layer whose weights an operation uses, or the operation's own."""
    named = (x.name.rpartition(".")[0] for x in tensor.inputs if x.value is not None)
    return next(filter(None, named), tensor.operation.lower())


def _check_size(count: int) -> None:
    if count > MAX_BYTES:
        raise InputError(
            f"The weights are larger than {MAX_BYTES / 1e9:.1f} GB, the limit of one ONNX file: "
            f"choose --precision float16 or a .safetensors file."
        )
