"""Arithmetic and functions on arrays, and their gradient rules in differentiable operations."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from .autodiff import Array, Tensor, array_module, primitive, rules, value_of
from .shape_ops import blockwise, product, sum_to, transpose

# --- arithmetic -------------------------------------------------------------------------------


add, subtract = primitive(operator.add), primitive(operator.sub)
multiply, divide = primitive(operator.mul), primitive(operator.truediv)
negative = primitive(operator.neg)


@primitive
def power(x: Array, exponent: float = 1.0) -> Array:
    return x**exponent


def _to(g: Any, x: Any) -> Any:
    return sum_to(g, x.shape)


rules(add, lambda g, answer, x, y: _to(g, x), lambda g, answer, x, y: _to(g, y))
rules(subtract, lambda g, answer, x, y: _to(g, x), lambda g, answer, x, y: _to(-g, y))
rules(multiply, lambda g, answer, x, y: _to(g * y, x), lambda g, answer, x, y: _to(g * x, y))
rules(
    divide, lambda g, answer, x, y: _to(g / y, x), lambda g, answer, x, y: _to(-g * answer / y, y)
)
rules(negative, lambda g, answer, x: -g)
rules(power, lambda g, answer, x, exponent: g * (exponent * power(x, exponent=exponent - 1)))


matmul = primitive(product)


def _turned(x: Any) -> Any:
    return transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


rules(
    matmul,
    lambda g, answer, x, y: _to(matmul(g, _turned(y)), x),
    lambda g, answer, x, y: _to(matmul(_turned(x), g), y),
)


# --- functions --------------------------------------------------------------------------------


def _masked(g: Any, condition: Any) -> Any:
    return g * value_of(condition).astype(g.dtype)


def _function(name: str) -> Callable:
    def call(*inputs: Array) -> Array:
        return getattr(array_module(inputs[0]), name)(*inputs)

    call.__name__ = name
    return primitive(call)


exp, log, sqrt, maximum = map(_function, ("exp", "log", "sqrt", "maximum"))

rules(
    maximum,
    lambda g, answer, x, y: _to(_masked(g, value_of(x) >= value_of(y)), x),
    lambda g, answer, x, y: _to(_masked(g, value_of(x) < value_of(y)), y),
)


@primitive
def tanh(x: Array) -> Array:
    xp = array_module(x)
    return blockwise(lambda out, part: xp.tanh(part, out=out), xp.empty_like(x), x)


@primitive
def sigmoid(x: Array) -> Array:
    return 0.5 * (1 + array_module(x).tanh(0.5 * x))


@primitive
def softplus(x: Array) -> Array:
    xp = array_module(x)
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


rules(exp, lambda g, answer, x: g * answer)
rules(log, lambda g, answer, x: g / x)
rules(sqrt, lambda g, answer, x: g * 0.5 / answer)
rules(tanh, lambda g, answer, x: g * (1 - answer * answer))
rules(sigmoid, lambda g, answer, x: g * answer * (1 - answer))
rules(softplus, lambda g, answer, x: g * sigmoid(x))


@primitive
def leaky_relu(x: Array, slope: float = 0.0) -> Array:
    xp = array_module(x)

    def kernel(out: Array, part: Array) -> None:
        xp.multiply(part, slope, out=out)
        xp.maximum(part, out, out=out)

    return blockwise(kernel, xp.empty_like(x), x)


@primitive
def _leaky_relu_back(g: Array, sign: Array, slope: float = 0.0) -> Array:
    """Multiply `g` by 1 where `sign` is positive and by `slope` elsewhere."""
    xp = array_module(g)

    def kernel(out: Array, g: Array, sign: Array) -> None:
        xp.greater(sign, 0, out=out, casting="unsafe")
        out *= 1 - slope
        out += slope
        out *= g

    return blockwise(kernel, xp.empty_like(sign), g, sign)


# The answer has the sign of the input, so the input's memory can go.
rules(leaky_relu, lambda g, answer, x, slope: _leaky_relu_back(g, value_of(answer), slope=slope))
rules(_leaky_relu_back, lambda d, answer, g, sign, slope: _leaky_relu_back(d, sign, slope=slope))


# --- operators --------------------------------------------------------------------------------


def _swapped(operation: Any) -> Any:
    return lambda x, y: operation(y, x)


def _compared(operation: Any) -> Any:
    return lambda x, y: operation(value_of(x), value_of(y))


_OPERATORS = {
    "__add__": add,
    "__radd__": add,
    "__sub__": subtract,
    "__rsub__": _swapped(subtract),
    "__mul__": multiply,
    "__rmul__": multiply,
    "__truediv__": divide,
    "__rtruediv__": _swapped(divide),
    "__matmul__": matmul,
    "__rmatmul__": _swapped(matmul),
    "__neg__": negative,
    "__pow__": lambda x, exponent: power(x, exponent=exponent),
    "__gt__": _compared(operator.gt),
    "__lt__": _compared(operator.lt),
    "__ge__": _compared(operator.ge),
    "__le__": _compared(operator.le),
}
for _name, _operation in _OPERATORS.items():
    setattr(Tensor, _name, _operation)
