"""The recording engine: NumPy's, which records every operation with its inputs and its layer."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganbaru import ops
from ganbaru.engines.numpy import Engine as Reference
from ganbaru.nn import normalization

Array = Any  # an array of the reference engine
_BATCH_NORM = ("input", "weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Record:
    """One operation: its positional arguments, its options, and its place in the network.

    `names` calls each argument by its parameter's last name ("weight"), or "input" where it is no
    parameter. `place` is the layer, or "after" the layer whose result it works on.
    """

    operation: str
    arguments: tuple[Any, ...]
    names: tuple[str, ...]
    options: dict[str, Any]
    place: str
    shape: tuple[int, ...]  # of the (first) result
    kind: str  # of the result's numbers: "f" for floating ones

    @property
    def signature(self) -> tuple[Any, ...]:
        """What distinguishes it from others: operation, shapes, numbers and options."""
        arguments = tuple(
            (x.shape, x.dtype.kind) if isinstance(x, np.ndarray) else str(x) for x in self.arguments
        )
        return self.operation, arguments, tuple(sorted(self.options.items()))

    def __str__(self) -> str:
        first, *others = (x for x in self.arguments if isinstance(x, np.ndarray))
        tensors = [first, *(x for x in others if x.ndim > 1)]  # not those with one for a channel
        shapes = " by ".join("x".join(map(str, x.shape)) for x in tensors)
        options = (f"{name} {value}" for name, value in self.options.items() if value)
        options = (option for option in options if option != "groups 1")
        return " ".join(filter(None, (self.operation, shapes, *options)))

    @property
    def function(self) -> Callable[..., Any]:
        """The function that computes it again on tensors of any engine."""
        special = {"batch_norm": normalization.normalise_batch, "concat": _concat}
        found: Any = special.get(self.operation) or getattr(ops, self.operation, None)
        return found or getattr(operator, self.operation)


class Recorded:
    """An array that appends to its tape, in order, the operations on it.

    `names` are the parameters it is, or is made of alone; `layer` is the one that made it.
    """

    __array_ufunc__ = None

    def __init__(
        self, value: Array, tape: list[Record], names: tuple[str, ...] = (), layer: str = ""
    ) -> None:
        self.value = np.asarray(value)
        self.tape, self.names, self.layer = tape, names, layer

    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    dtype = property(lambda self: self.value.dtype)


def _concat(*tensors: Any, axis: int) -> Any:
    return ops.concat(tensors, axis=axis)


def _name(x: Any) -> str:
    if not isinstance(x, Recorded):
        return "constant"
    return x.names[0].rpartition(".")[2] if x.names else "input"


def _called(arguments: Sequence[Any]) -> tuple[str, ...]:
    """Name each argument; several that are not parameters are numbered."""
    names = [_name(x) for x in arguments]
    again = {name for name in names if names.count(name) > 1}
    return tuple(
        f"{name} {names[: i + 1].count(name)}" if name in again else name
        for i, name in enumerate(names)
    )


def _layer(tensors: Sequence[Recorded]) -> tuple[str, str]:
    """Return the layer that an operation belongs to, and a phrase for its place."""
    for x in tensors:
        if x.names:
            layer = x.names[0].rpartition(".")[0]
            return layer, layer
    layer = next((x.layer for x in tensors if x.layer), "")
    return layer, f"after {layer}" if layer else "at the start"


def _record(
    operation: str, function: Callable[..., Any], arguments: Sequence[Any], options: dict[str, Any]
) -> Any:
    tensors = [x for x in arguments if isinstance(x, Recorded)]
    values = tuple(x.value if isinstance(x, Recorded) else x for x in arguments)
    result = function(*values, **options)
    first = np.asarray(result[0] if isinstance(result, tuple) else result)
    layer, place = _layer(tensors)
    names = _BATCH_NORM if operation == "batch_norm" else _called(arguments)
    tape = tensors[0].tape
    tape.append(Record(operation, values, names, options, place, first.shape, first.dtype.kind))
    # A result of parameters alone, such as a matrix transposed, keeps their names.
    of = tuple(dict.fromkeys(name for x in tensors for name in x.names))
    of = of if all(x.names for x in tensors) else ()
    if isinstance(result, tuple):
        return tuple(Recorded(each, tape, (), layer) for each in result)
    return Recorded(result, tape, of, layer)


class Recorder(ops.Operations, tensors=(Recorded,)):
    """The reference engine's operations, each of which is recorded."""

    @staticmethod
    def concat(tensors: Sequence[Any], axis: int = 0) -> Any:
        """Join tensors along an axis; each counts as an argument of its own."""
        return _record("concat", _concat, tensors, {"axis": axis})

    @staticmethod
    def one_hot(labels: Any, classes: int, like: Any) -> Any:
        return _record("one_hot", ops.one_hot, (labels, classes, like), {})

    @staticmethod
    def batch_norm(*arguments: Any) -> Any:
        """Record batch norm as the one operation that it is."""
        return _record("batch_norm", Reference.FUSED["batch_norm"], arguments, {})

    FUSED = {"batch_norm": batch_norm}


def _recording(name: str) -> Callable[..., Any]:
    """Return an operation of the reference that is recorded, its sizes by name."""
    parameters = inspect.signature(getattr(ops, name)).parameters
    sizes = [n for n, each in parameters.items() if not each.annotation.startswith("Tensor")]

    def call(*arguments: Any, **options: Any) -> Any:
        given = {**dict(zip(parameters, arguments, strict=False)), **options}
        options = {size: given.pop(size) for size in sizes if size in given}
        return _record(name, getattr(Reference, name), tuple(given.values()), options)

    return call


for _each in ops.OPERATIONS:
    if not hasattr(Recorder, _each):
        setattr(Recorder, _each, staticmethod(_recording(_each)))


def _arithmetic(name: str, swap: bool = False) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        ordered = arguments[::-1] if swap else arguments
        return _record(name, getattr(operator, name), ordered, {})

    return call


for _each in ("add", "sub", "mul", "truediv"):
    setattr(Recorded, f"__r{_each}__", _arithmetic(_each, swap=True))
for _each in ("add", "sub", "mul", "truediv", "neg", "pow", "gt", "lt", "ge", "le"):
    setattr(Recorded, f"__{_each}__", _arithmetic(_each))
