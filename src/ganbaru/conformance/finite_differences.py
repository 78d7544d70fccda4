"""Gradients of the NumPy engine against central differences, in float64, to second order."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from ganbaru.conformance.functions import (
    OUTPUT,
    Arrays,
    TestedFunction,
    directions,
    first_order,
    random,
    to_engine,
)
from ganbaru.engines import Engine

# The relative step of arguments: with eps = 2e-16 the difference's rounding, eps / step, and its
# truncation, step², are then both near 1e-10 of the terms added up.
STEP = 1e-5
# Measured over all operations recorded by default: at most 6e-9 where the gradient is right, and
# above 1e-2 for a wrong sign, factor or term in any rule.
TOLERANCE = 1e-7
# A sum of many terms may have a derivative far below its rounding; this part of the terms' size
# counts as a derivative of ordinary size.
FLOOR = 1e-3

Scalar = Callable[[Arrays], tuple[float, float]]  # its value, and the size of its terms


def errors(engine: Engine, tested: TestedFunction, found: Arrays) -> dict[str, float]:
    """Return how far the gradients `found` are from differences, relative to their size.

    Each argument moves along one random direction, entry by entry in proportion to itself: so no
    entry crosses a kink at 0, and small entries stay small. Any error in a gradient shows in its
    product with a random direction.
    """
    fixed, along = to_engine(engine, tested.fixed), directions(tested)
    found_errors: dict[str, float] = {}
    if tested.orders > 0:
        scalar = functools.partial(_output, engine, tested, fixed, along)
        found_errors |= _compared(scalar, tested.at, found, "{} gradient")
    if tested.orders > 1:
        scalar = functools.partial(_slopes, engine, tested, fixed, along)
        everything = {**tested.at, OUTPUT: along[OUTPUT]}
        found_errors |= _compared(scalar, everything, found, "second-order {} gradient")
    return found_errors


def _output(
    engine: Engine, tested: TestedFunction, fixed: Arrays, along: Arrays, at: Arrays
) -> tuple[float, float]:
    output, _ = tested.function(to_engine(engine, at), fixed)
    terms = engine.to_numpy(output) * along[OUTPUT]
    return float(np.sum(terms)), float(np.linalg.norm(terms))


def _slopes(
    engine: Engine, tested: TestedFunction, fixed: Arrays, along: Arrays, at: Arrays
) -> tuple[float, float]:
    given = to_engine(engine, at)
    arguments = {name: x for name, x in given.items() if name != OUTPUT}
    _, _, gradients = first_order(tested.function, arguments, fixed, given[OUTPUT])
    terms = [engine.to_numpy(g) * along[name] for name, g in gradients.items()]
    return sum(float(np.sum(t)) for t in terms), sum(float(np.linalg.norm(t)) for t in terms)


def _compared(scalar: Scalar, at: Arrays, found: Arrays, quantity: str) -> dict[str, float]:
    _, size = scalar(at)
    found_errors = {}
    for name, x in at.items():
        way = random(x.shape, f"moved {name}") * x
        ends = [scalar({**at, name: x + sign * STEP * way})[0] for sign in (1, -1)]
        terms = found[quantity.format(name)] * way
        wrong = abs((ends[0] - ends[1]) / (2 * STEP) - np.sum(terms))
        scale = max(float(np.linalg.norm(terms)), FLOOR * size)
        found_errors[quantity.format(name)] = float(wrong / scale) if scale else float(wrong)
    return found_errors
