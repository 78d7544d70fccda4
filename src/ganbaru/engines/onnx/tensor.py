"""Tensors that record the ONNX operation that makes them, constants, and arithmetic."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from ganbaru.engines.numpy import Engine

FLOAT, BYTE, HALF = 1, 2, 10  # ONNX's numbers for float32, uint8 and float16


def _operator(name: str, swapped: bool = False) -> Callable[[Tensor, Any], Tensor]:
    def apply(x: Tensor, other: Any) -> Tensor:
        return _arithmetic(name, other, x) if swapped else _arithmetic(name, x, other)

    return apply


@dataclass(eq=False)
class Tensor:
    """A result of an ONNX operation, or a constant, which has a `value`.

    `kind` is float (in the model's precision), single (always float32), int, byte or bool; `name`
    that of the parameter it comes from, if any.
    """

    operation: str
    inputs: tuple[Tensor, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)
    shape: tuple[Any, ...] = ()  # of int and Dim
    kind: str = "float"
    value: np.ndarray | None = None
    name: str = ""

    ndim = property(lambda self: len(self.shape))
    __array_ufunc__ = None  # so that NumPy leaves arithmetic with arrays to this class

    __add__, __radd__ = _operator("Add"), _operator("Add", swapped=True)
    __sub__, __rsub__ = _operator("Sub"), _operator("Sub", swapped=True)
    __mul__, __rmul__ = _operator("Mul"), _operator("Mul", swapped=True)
    __truediv__, __rtruediv__ = _operator("Div"), _operator("Div", swapped=True)
    __pow__ = _operator("Pow")
    __gt__, __ge__ = _operator("Greater"), _operator("GreaterOrEqual")
    __lt__, __le__ = _operator("Less"), _operator("LessOrEqual")

    def __neg__(self) -> Tensor:
        return self * -1.0


class Dim:
    """A size that is known when the model runs; its value is a tensor (1,) of integers.

    A decision by it is refused: a model holds one branch only.
    """

    def __init__(self, value: Tensor) -> None:
        self.value = value

    def __floordiv__(self, other: Dim | int) -> Dim:
        parts = (self.value, other.value if isinstance(other, Dim) else constant([other]))
        return Dim(Tensor("Div", parts, {}, (1,), "int"))

    def largest_divisor(self, most: int) -> Dim:
        """Return the largest of 1 to `most` that divides it: the first with no remainder."""
        candidates = np.arange(most, 0, -1)
        left = Tensor("Mod", (self.value, constant(candidates)), {}, (most,), "int")
        fits = Tensor("Equal", (left, constant([0])), {}, (most,), "bool")
        marks = Tensor("Cast", (fits,), {"to": FLOAT}, (most,), "single")
        first = Tensor("ArgMax", (marks,), {"axis": 0}, (1,), "int")
        return Dim(Tensor("Sub", (constant([most]), first), {}, (1,), "int"))

    def __eq__(self, other: object) -> bool:
        return self is other if isinstance(other, Dim) else self._refuse()

    __hash__ = object.__hash__

    def _refuse(self, *others: Any) -> NoReturn:
        raise ValueError("it can be a size in a shape or be divided by //, nothing else")

    __index__ = __int__ = __mod__ = __lt__ = __gt__ = __le__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = _refuse


def equal(size: Any, other: Any) -> bool:
    """Return whether two sizes are known to be the same."""
    opens = isinstance(size, Dim) or isinstance(other, Dim)
    return size is other if opens else bool(size == other)


def constant(value: Any, name: str = "") -> Tensor:
    """Return numbers as a tensor, floating ones in float64."""
    array = np.asarray(value)
    array = array.astype(
        {"f": np.float64, "i": np.int64, "u": np.int64}.get(array.dtype.kind, bool)
    )
    kind = {"f": "float", "i": "int"}.get(array.dtype.kind, "bool")
    return Tensor("Constant", shape=array.shape, kind=kind, value=array, name=name)


def batch(name: str, shape: tuple[int, ...]) -> Tensor:
    """Return an input of any number of items, each of this shape."""
    x = Tensor("Input", kind="float", name=name)
    sizes = Tensor("Shape", (x,), {}, (1 + len(shape),), "int")
    x.shape = (Dim(Tensor("Gather", (sizes, constant([0])), {"axis": 0}, (1,), "int")), *shape)
    return x


# --- what is constant -------------------------------------------------------------------------


def _open(x: Any) -> bool:
    """Return whether a value, or part of it, is known only when the model runs."""
    if isinstance(x, (tuple, list)):
        return any(map(_open, x))
    return isinstance(x, Dim) or (isinstance(x, Tensor) and x.value is None)


def _plain(x: Any) -> Any:
    if isinstance(x, (tuple, list)):
        return [_plain(each) for each in x]
    return x.value if isinstance(x, Tensor) else x


def _names(x: Any) -> str:
    """Return the name of the first parameter in a value."""
    if isinstance(x, (tuple, list)):
        return next(filter(None, map(_names, x)), "")
    return x.name if isinstance(x, Tensor) else ""


def folding_constants(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Compute constants by the NumPy engine's operation of the same name."""
    compute = getattr(Engine, function.__name__)

    @functools.wraps(function)
    def applied(*given: Any, **options: Any) -> Tensor:
        inputs = tuple(lifted(x) if isinstance(x, np.ndarray) else x for x in given)
        if _open(inputs) or _open(list(options.values())):
            return function(*inputs, **options)
        return constant(compute(*_plain(inputs), **options), _names(inputs))

    return applied


def lifted(x: Any) -> Tensor:
    """Return a tensor itself, and numbers as a constant; a single one is floating."""
    if isinstance(x, Tensor):
        return x
    return constant(x if np.ndim(x) else np.float64(x))


# --- arithmetic -------------------------------------------------------------------------------


def broadcast(*shapes: Sequence[Any]) -> tuple[Any, ...]:
    """Return the shape that tensors of these shapes have together, by NumPy's rule."""
    rank = max(map(len, shapes))
    found: list[Any] = [1] * rank
    for shape in shapes:
        for i, size in enumerate(shape, rank - len(shape)):
            if equal(found[i], 1):
                found[i] = size
            elif not equal(size, 1) and not equal(size, found[i]):
                raise ValueError("shapes do not broadcast together")
    return tuple(found)


def _same(shape: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(shape) == len(other) and all(map(equal, shape, other))


_NUMPY = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Greater": np.greater,
    "Less": np.less,
    "GreaterOrEqual": np.greater_equal,
    "LessOrEqual": np.less_equal,
}
_COMPARISONS = ("Greater", "Less", "GreaterOrEqual", "LessOrEqual")
# Scale and offset of what a constant c does to x as `x op c`, and as `c op x`.
_LINEAR: dict[str, Callable[[np.ndarray], tuple]] = {
    "Add": lambda c: (1.0, c),
    "Sub": lambda c: (1.0, -c),
    "Mul": lambda c: (c, 0.0),
}
_LINEAR_LEFT = {**_LINEAR, "Sub": lambda c: (-1.0, c)}


def _arithmetic(operation: str, left: Any, right: Any) -> Tensor:
    x, y = lifted(left), lifted(right)
    if x.value is not None and y.value is not None:
        return constant(_NUMPY[operation](x.value, y.value), x.name or y.name)
    shape = broadcast(x.shape, y.shape)
    if operation == "Div" and y.value is not None:
        operation, y = "Mul", constant(1 / y.value, y.name)
    for one, other, linear in ((x, y, _LINEAR), (y, x, _LINEAR_LEFT)):
        if other.value is not None and operation in linear and _same(shape, one.shape):
            # Plain numbers have no name of their own.
            parts = (
                constant(c, other.name if np.ndim(c) else "")
                for c in linear[operation](other.value)
            )
            return affine(one, *parts)
    return Tensor(operation, (x, y), {}, shape, "bool" if operation in _COMPARISONS else x.kind)


def affine(x: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    """Return ``scale x + offset``, constants that leave the shape of `x` as it is.

    Not an ONNX operation: `ganbaru.export.folding` folds it into a layer, or splits it in two.
    """
    return Tensor("Affine", (x, scale, offset), {}, x.shape)
