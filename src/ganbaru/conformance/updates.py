"""One update of each optimiser and of the running average; fused forms against composed ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ganbaru import ops
from ganbaru.conformance.case import OPERATION, SINGLE, Case, case_of, solving
from ganbaru.conformance.cases import taken, within
from ganbaru.conformance.functions import Arrays, TestedFunction, called, random
from ganbaru.gan import ema, optimizers
from ganbaru.gan.optimizers import Moments, Optimizer
from ganbaru.nn import normalization
from ganbaru.ops import Parameters, Tensor

SHAPES = {"kernel": (8, 4, 3, 5), "matrix": (7, 6)}
RUNNING = ("running_mean", "running_var")
NUMBER, RATE, BETAS, KEEP = 3, 0.02, (0.5, 0.99), 0.75

# From parameters, gradients and moments to new parameters and moments.
Update = Callable[[Parameters, Parameters, Moments], tuple[Parameters, Moments]]


def _gradients(smallest: float) -> Arrays:
    """Return gradients of all sizes, from 10 to the power `smallest` to 1.

    Among small ones Adam's epsilon, 1e-8, counts as much as the gradient.
    """
    found = {}
    for name, shape in SHAPES.items():
        size = np.linspace(smallest, 0, np.prod(shape)).reshape(shape)
        found[name] = np.sign(random(shape, f"gradient of {name}")) * 10**size
    return found


def _updating(update: Update, gradients: Arrays) -> TestedFunction:
    """Return the change that an update makes, and the new moments.

    The matrix's gradient is transposed, as that of a linear layer: this reveals a kernel that
    ignores strides.
    """
    turned = {**gradients, "matrix": gradients["matrix"].T.copy()}
    fixed = {
        **within("gradient", turned),
        **within("mean", {name: 0.3 * g for name, g in gradients.items()}),
        **within("square", {name: 0.2 * g * g for name, g in gradients.items()}),
    }

    def function(at: Parameters, fixed: Parameters) -> tuple[Tensor, Parameters]:
        before = {name: x * 1.0 for name, x in at.items()}  # the update may consume its arguments
        given = taken("gradient", fixed)
        given["matrix"] = ops.transpose(given["matrix"], (1, 0))
        moments = {name: taken(name, fixed) for name in optimizers.MOMENTS}
        after, moments = update(dict(at), given, moments)
        change = ops.concat([ops.reshape(after[n] - before[n], (-1,)) for n in SHAPES])
        left = (within(name, tensors) for name, tensors in moments.items())
        return change, {key: x for tensors in left for key, x in tensors.items()}

    at = {name: random(shape, name) for name, shape in SHAPES.items()}
    return TestedFunction(function, at, (sum(x.size for x in at.values()),), fixed, orders=0)


def _by(optimiser: Optimizer) -> Update:
    return lambda p, g, moments: optimiser.update(p, g, moments, optimiser.optimizer_step(NUMBER))


def _adam(rule: Callable[..., Any]) -> Update:
    """Return Adam by its composed or by an engine's fused rule."""

    def update(p: Parameters, g: Parameters, moments: Moments) -> tuple[Parameters, Moments]:
        how = (optimizers.Adam(RATE, BETAS).optimizer_step(NUMBER), BETAS, 1e-8)
        new, *after = rule(p, g, *(moments[m] for m in optimizers.MOMENTS), *how)
        return new, dict(zip(optimizers.MOMENTS, after, strict=True))

    return update


def _averaging(rule: Callable[..., Any]) -> TestedFunction:
    def function(at: Parameters, fixed: Parameters) -> tuple[Tensor, Parameters]:
        moved = rule(dict(at), fixed, KEEP)
        return moved["kernel"], {"matrix": moved["matrix"]}

    at = {name: random(shape, f"average {name}") for name, shape in SHAPES.items()}
    target = {name: random(shape, f"target {name}") for name, shape in SHAPES.items()}
    return TestedFunction(function, at, SHAPES["kernel"], target, orders=0)


def updates() -> Iterator[Case]:
    """Yield an update of each optimiser and of the average, in float64 and in float32."""
    # By the parity rule gradients under 1e-6 of the layer's scale do not count in float32.
    kinds = (("updates", "float64", OPERATION, -10.0), ("float32", "float32", SINGLE, -5.0))
    for section, precision, tolerance, smallest in kinds:
        gradients = _gradients(smallest)
        cases = {
            f"one update of {name}": _updating(_by(rule(RATE, BETAS)), gradients)
            for name, rule in optimizers.OPTIMIZERS.items()
        }
        cases["one move of the average"] = _averaging(ema.move_towards)
        for where, tested in cases.items():
            yield case_of(section, where, tested, tolerance, precision=precision)


def _normalising(rule: Callable[..., Any], shape: tuple[int, ...]) -> TestedFunction:
    """Return batch norm of a batch; its second and third result are the running statistics."""
    sides = dict.fromkeys(("weight", "bias", *RUNNING), shape[1:2])
    given = {name: random(side, name) for name, side in {"input": shape, **sides}.items()}
    numbers = normalization.BATCH_NORM_MOMENTUM, normalization.BATCH_NORM_EPSILON
    return called(rule, given, shape, RUNNING, numbers)


def _normalising_by(rule: Callable[..., Any], shape: tuple[int, ...]) -> TestedFunction:
    """Return batch norm by given statistics."""
    sides = dict.fromkeys(("average", "variance", "weight", "bias"), shape[1:2])
    given = {name: random(side, name) for name, side in {"input": shape, **sides}.items()}
    given["variance"] = given["variance"] ** 2
    return called(rule, given, shape, ("variance",), (normalization.BATCH_NORM_EPSILON,))


def _resizing(rule: Callable[..., Any], factor: float) -> TestedFunction:
    shape = 2, 3, 4, 6
    sides = (int(side * factor) for side in shape[2:])
    return called(rule, {"input": random(shape, "input")}, (*shape[:2], *sides))


def _squared(rule: Callable[..., Any]) -> TestedFunction:
    def function(x: Tensor) -> Tensor:
        squared: Tensor = rule(x, lambda y: ops.matmul(y, ops.transpose(y, (1, 0))))
        return squared

    return called(function, {"input": random((4, 3), "input")}, (4, 4))


NORMALISED = {"4x6x5x3": (4, 6, 5, 3), "9x5": (9, 5)}

# For each composed operation: from a form of it to functions to test, by title.
EXAMPLES: dict[str, Callable[[Callable[..., Any]], dict[str, TestedFunction]]] = {
    "adam": lambda rule: {"Adam": _updating(_adam(rule), _gradients(-10.0))},
    "move_towards": lambda rule: {"the average": _averaging(rule)},
    "batch_norm": lambda rule: {
        f"batch norm of {title}": _normalising(rule, shape) for title, shape in NORMALISED.items()
    },
    "normalise": lambda rule: {
        f"given statistics of {title}": _normalising_by(rule, shape)
        for title, shape in NORMALISED.items()
    },
    "in_full_precision": lambda rule: {"a matrix by itself": _squared(rule)},
    "upsample": lambda rule: {"upsample": _resizing(rule, 2)},
    "smooth": lambda rule: {"smooth": _resizing(rule, 1)},
    "downsample": lambda rule: {"downsample": _resizing(rule, 0.5)},
}


def fused_forms() -> Iterator[Case]:
    """Yield each composed operation as an engine fuses it beside its composed form."""
    for name, call in ops.COMPOSED.items():
        plain = EXAMPLES[name](inspect.unwrap(call))
        for where, tested in EXAMPLES[name](call).items():
            expected = solving(plain[where])[0]
            yield case_of("fused forms", where, tested, expected=expected, fused=name)
