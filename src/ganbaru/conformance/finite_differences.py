"""Gradients of the NumPy engine against central differences, in float64, to second order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ganbaru.conformance import functions
from ganbaru.conformance.functions import OUTPUT, Arrays, TestedFunction, random, to_engine
from ganbaru.engines import Engine
from ganbaru.ops import Parameters

# The relative step of arguments: with eps = 2e-16 the difference's rounding, eps / step, and its
# truncation, step², are then both near 1e-10 of the terms added up.
STEP = 1e-5
# Measured over all operations recorded by default: at most 6e-9 where the gradient is right, and
# above 1e-2 for a wrong sign, factor or term in any rule.
TOLERANCE = 1e-7
# A sum of many terms may have a derivative far below its rounding; this part of the terms' size
# counts as a derivative of ordinary size.
FLOOR = 1e-3


def errors(engine: Engine, tested: TestedFunction, found: Arrays) -> dict[str, float]:
    """Return how far the gradients `found` are from differences, relative to their size.

    Each argument moves along one random direction, entry by entry in proportion to itself: so no
    entry crosses a kink at 0, and small entries stay small. Any error in a gradient shows in its
    product with a random direction.
    """
    fixed, along = to_engine(engine, tested.fixed), functions.directions(tested)

    def output(at: Parameters) -> Parameters:
        return {OUTPUT: tested.function(at, fixed)[0] * along[OUTPUT]}

    def gradients(at: Parameters) -> Parameters:
        return functions.slopes(tested.function, at, fixed, along)

    wrong: dict[str, float] = {}
    if tested.orders > 0:
        wrong |= _compared(engine, output, tested.at, found, "{} gradient")
    if tested.orders > 1:
        everything = {**tested.at, OUTPUT: along[OUTPUT]}
        wrong |= _compared(engine, gradients, everything, found, "second-order {} gradient")
    return wrong


def _compared(
    engine: Engine,
    terms: Callable[[Parameters], Parameters],
    at: Arrays,
    found: Arrays,
    quantity: str,
) -> dict[str, float]:
    """Compare the gradients found of a sum of terms with its differences, by quantity."""

    def evaluated(at: Arrays) -> list[np.ndarray]:
        return [engine.to_numpy(x) for x in terms(to_engine(engine, at)).values()]

    size = sum(float(np.linalg.norm(x)) for x in evaluated(at))
    errors = {}
    for name, x in at.items():
        way = random(x.shape, f"moved {name}") * x
        ends = [
            sum(np.sum(each) for each in evaluated({**at, name: x + sign * STEP * way}))
            for sign in (1, -1)
        ]
        slope = found[quantity.format(name)] * way
        wrong = abs((ends[0] - ends[1]) / (2 * STEP) - np.sum(slope))
        scale = max(float(np.linalg.norm(slope)), FLOOR * size)
        errors[quantity.format(name)] = float(wrong / scale) if scale else float(wrong)
    return errors
