"""Reverse-mode differentiation: tensors that record the call that made them, and the backward pass.

Every gradient rule is written in the same differentiable operations, so a gradient can itself be
differentiated, to any order (as in HIPS autograd). Outside a gradient nothing is recorded: the
operations work on plain arrays and return plain arrays.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from ganbaru.engines.base import mapped

Array = Any  # a numpy.ndarray, a NumPy scalar or a cupy.ndarray

# How many gradients are being taken around the current call: inner ones must be recorded.
_depth: ContextVar[int] = ContextVar("depth", default=0)


class Tensor:
    """An array taking part in a gradient: its value, and the call that made it."""

    __slots__ = ("arguments", "options", "primitive", "value")
    __array_ufunc__ = None  # lets `ndarray + Tensor` reach Tensor.__radd__
    __hash__ = object.__hash__

    def __init__(
        self,
        value: Array,
        primitive: Any = None,
        arguments: tuple = (),
        options: dict | None = None,
    ) -> None:
        self.value = value
        self.primitive = primitive
        self.arguments = arguments
        self.options = options or {}

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)

    def __repr__(self) -> str:
        return f"Tensor({self.value!r})"

    def __len__(self) -> int:
        return len(self.value)


def value_of(x: Any) -> Array:
    """Return the array of a tensor, or an array itself."""
    return x.value if isinstance(x, Tensor) else x


def array_module(x: Any) -> Any:
    """Return the module that owns the array in `x`: numpy, or cupy for an array on a GPU."""
    kind = type(value_of(x))
    if kind not in _modules:
        _modules[kind] = importlib.import_module("cupy") if _is_cupy(kind) else np
    return _modules[kind]


_modules: dict[type, Any] = {}  # a step needs it a thousand times


def _is_cupy(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "cupy"


def primitive(function: Callable) -> Callable:
    """Make `function` of arrays record itself when one of its positional arguments is a Tensor."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        if not any(isinstance(argument, Tensor) for argument in arguments):
            return function(*arguments, **options)
        values = [value_of(argument) for argument in arguments]
        return Tensor(function(*values, **options), call, arguments, options)

    return call


def rules(of: Callable, *each: Callable | None) -> None:
    """Register one gradient rule for each positional argument: ``rule(g, answer, *args, **opts)``.

    `g` is the gradient of the result; None stands for an argument without gradient.
    """

    def pullback(
        g: Any, answer: Any, needs: Sequence[bool], *arguments: Any, **options: Any
    ) -> list:
        return [
            rule(g, answer, *arguments, **options) if need and rule else None
            for rule, need in zip(each, needs, strict=False)
        ]

    joint_rule(of, pullback)


def joint_rule(of: Callable, pullback: Callable) -> None:
    """Register one rule for all arguments at once: ``rule(g, answer, needs, *args, **opts)``."""
    of.pullback = pullback  # type: ignore[attr-defined]


def stop_gradient(x: Any) -> Array:
    return value_of(x)


@primitive
def across(x: Array, group: Any) -> Array:
    """Sum over the ranks of a group; see `ganbaru.ranks`."""
    return group.total(array_module(x).asarray(x))


rules(across, lambda g, answer, x, group: across(g, group=group))


def _order(output: Tensor, wanted: set[int]) -> list[Tensor]:
    """Return a topological order of the tensors between the wanted ones and `output`."""
    reaches: dict[int, bool] = {}
    order: list[Tensor] = []
    stack: list[tuple[Tensor, bool]] = [(output, False)]
    while stack:
        node, done = stack.pop()
        if done:
            inputs = (a for a in node.arguments if isinstance(a, Tensor))
            reaches[id(node)] = id(node) in wanted or any(reaches[id(a)] for a in inputs)
            if reaches[id(node)]:
                order.append(node)
        elif id(node) not in reaches:
            reaches[id(node)] = False
            stack.append((node, True))
            stack.extend((a, False) for a in node.arguments if isinstance(a, Tensor))
    return order


def _walk_back(output: Tensor, wanted: list[Tensor], record: bool) -> list[Any]:
    """Return the gradient of the scalar `output` with respect to each of `wanted`."""
    keep = {id(tensor) for tensor in wanted}
    order = _order(output, keep)
    on_path = {id(node) for node in order}
    gradients: dict[int, Any] = {id(output): array_module(output).ones_like(output.value)}
    while order:
        node = order.pop()
        if node.primitive is None or id(node) not in gradients:
            continue
        g = gradients[id(node)] if id(node) in keep else gradients.pop(id(node))
        plain = [a if record else value_of(a) for a in node.arguments]
        needs = [isinstance(a, Tensor) and id(a) in on_path for a in node.arguments]
        answer = node if record else node.value
        parts = node.primitive.pullback(g, answer, needs, *plain, **node.options)
        for argument, part in zip(node.arguments, parts, strict=False):
            if part is not None and isinstance(argument, Tensor):
                before = gradients.get(id(argument))
                gradients[id(argument)] = part if before is None else before + part
        if not record:  # the activations are not needed again: free their memory
            node.arguments = ()
    return [gradients[id(t)] if id(t) in gradients else _zeros(t) for t in wanted]


def _zeros(tensor: Tensor) -> Array:
    return array_module(tensor).zeros_like(tensor.value)


def value_and_grad(function: Callable, parameters: dict[str, Array]) -> tuple[Any, Any, dict]:
    outer = _depth.get()
    token = _depth.set(outer + 1)
    try:
        tensors = {name: Tensor(value_of(p), _leaf, (p,)) for name, p in parameters.items()}
        value, auxiliary = function(tensors)
    finally:
        _depth.reset(token)
    if not isinstance(value, Tensor):  # a constant, without gradients
        value = Tensor(value)
    gradients = _walk_back(value, list(tensors.values()), record=outer > 0)
    result = dict(zip(tensors, gradients, strict=True))
    if outer == 0:
        return value.value, mapped(value_of, auxiliary), result
    return value, auxiliary, result


def _leaf(value: Array) -> Array:
    """The primitive of a leaf, in which gradients are taken: the identity."""
    return value


rules(_leaf, lambda g, answer, value: g)
