"""Functions to evaluate on any engine: value, gradients and gradients of gradients, by name."""

from __future__ import annotations

import functools
import operator
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ganbaru import ops
from ganbaru.engines import Engine
from ganbaru.ops import Parameters, Tensor

Arrays = dict[str, np.ndarray]  # quantities or arguments, by name
# function(at, fixed) -> (result, other results such as running statistics).
Function = Callable[[Parameters, Parameters], tuple[Tensor, Parameters]]

OUTPUT = "output"


@dataclass(frozen=True)
class TestedFunction:
    """A function, the arguments it is differentiated in, and those that stay fixed.

    `shape` is that of its result; `orders` is how often it is differentiated. A `whole`
    network is run operation by operation.
    """

    function: Function
    at: Arrays
    shape: tuple[int, ...]
    fixed: Arrays = field(default_factory=dict)
    orders: int = 2
    whole: bool = False


def random(shape: tuple[int, ...], name: str) -> np.ndarray:
    """Return normal numbers that depend on the shape and the name alone."""
    return np.random.default_rng([zlib.crc32(name.encode()), *shape]).standard_normal(shape)


def directions(tested: TestedFunction) -> Arrays:
    """Return what the result and the gradients are contracted with."""
    shapes = {name: array.shape for name, array in tested.at.items()}
    return {name: random(shape, f"along {name}") for name, shape in shapes.items()} | {
        OUTPUT: random(tested.shape, "along the output")
    }


def to_engine(engine: Engine, arrays: Mapping[str, np.ndarray]) -> Parameters:
    """Bring arrays to an engine."""
    return {name: engine.from_numpy(array) for name, array in arrays.items()}


def evaluate(engine: Engine, tested: TestedFunction) -> Arrays:
    """Return all quantities of a function, computed by an engine.

    An operation is compiled, which takes JAX 0.5 s and leaves nothing in its memory; a whole
    network is not, which would take it 5 s: the training cases compile networks.
    """
    given = (to_engine(engine, a) for a in (tested.at, tested.fixed, directions(tested)))
    run = functools.partial(_quantities, tested.function, tested.orders)
    found = (run if tested.whole else engine.compile(run))(*given)
    return {name: engine.to_numpy(tensor) for name, tensor in found.items()}


def _quantities(
    function: Function, orders: int, at: Parameters, fixed: Parameters, along: Parameters
) -> Parameters:
    """Return output, gradients and second-order gradients, up to the given order.

    The first order is computed by itself, not as a part of the second: engines have a faster way
    when the gradient is not differentiated again.
    """
    if not orders:
        output, left = function(at, fixed)
        return {OUTPUT: output, **left}
    output, left, gradients = first_order(function, at, fixed, along[OUTPUT])
    found = {OUTPUT: output, **left, **{f"{n} gradient": g for n, g in gradients.items()}}
    if orders > 1:
        seconds = second_order(function, at, fixed, along)
        found |= {f"second-order {n} gradient": g for n, g in seconds.items()}
    return found


def first_order(
    function: Function, at: Parameters, fixed: Parameters, along: Tensor
) -> tuple[Tensor, Parameters, Parameters]:
    """Return the output, the other results, and the gradients of the output `along`."""

    def scalar(given: Parameters) -> tuple[Tensor, Any]:
        output, left = function(given, fixed)
        return ops.sum(output * along), (output, left)

    _, (output, left), gradients = ops.value_and_grad(scalar, at)
    return output, left, gradients


def slopes(function: Function, at: Parameters, fixed: Parameters, along: Parameters) -> Parameters:
    """Return each gradient times `along`; `at` holds the output's direction too."""
    arguments = {name: x for name, x in at.items() if name != OUTPUT}
    _, _, gradients = first_order(function, arguments, fixed, at[OUTPUT])
    return {name: g * along[name] for name, g in gradients.items()}


def second_order(
    function: Function, at: Parameters, fixed: Parameters, along: Parameters
) -> Parameters:
    """Return the gradients of the sum of `slopes`: in the arguments, and in the output's."""

    def scalar(given: Parameters) -> tuple[Tensor, None]:
        products = map(ops.sum, slopes(function, given, fixed, along).values())
        return functools.reduce(operator.add, products), None

    return ops.value_and_grad(scalar, {**at, OUTPUT: along[OUTPUT]})[2]


def called(
    operation: Callable[..., Any],
    arguments: Mapping[str, Any],
    shape: tuple[int, ...],
    still: tuple[str, ...] = (),
    numbers: tuple[Any, ...] = (),
) -> TestedFunction:
    """Return an operation as a function of its arguments, in their order, then `numbers`.

    It is differentiated in the floating-point arrays, apart from those named by `still`; results
    after the first are new values of these.
    """
    arrays = {name: x for name, x in arguments.items() if isinstance(x, np.ndarray)}
    at = {n: x for n, x in arrays.items() if x.dtype.kind == "f" and n not in still}
    fixed = {name: x for name, x in arrays.items() if name not in at}

    def function(given: Parameters, fixed: Parameters) -> tuple[Tensor, Parameters]:
        result = operation(*{**arguments, **fixed, **given}.values(), *numbers)
        first, *others = result if isinstance(result, tuple) else (result,)
        return first, dict(zip(still, others, strict=False))

    return TestedFunction(function, at, shape, fixed)
