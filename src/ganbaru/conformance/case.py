"""A case: what each engine computes, to be compared, and how closely."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ganbaru.conformance.functions import Arrays, TestedFunction, evaluate
from ganbaru.engines import Engine

Run = Callable[[Engine], Arrays]
Scale = Callable[[str], str]  # from a quantity to the group that shares its scale

# In float64 an operation of two engines differs by the order of its sums alone: measured over all
# of them, at most 7e-15 of a quantity's largest entry, 2e-14 through a whole network.
OPERATION, NETWORK = 1e-11, 1e-9
# The parity rule: 20 steps in float64 within 1e-7 (measured: 1e-8), and 1e-4 of the layer's scale
# in float32 (2e-5).
GAME, SINGLE = 1e-7, 1e-4
IN_SINGLE: dict[str, Any] = {"precision": "float32", "tolerance": SINGLE}


def largest(arrays: Arrays, group: Scale) -> dict[str, float]:
    """Return for each array the largest absolute entry in its group."""
    sizes: dict[str, float] = {}
    for name, array in arrays.items():
        sizes[group(name)] = max(sizes.get(group(name), 0.0), float(np.abs(array).max(initial=0)))
    return {name: sizes[group(name)] for name in arrays}


def by_order(quantity: str) -> str:
    """Return the scale group of a quantity of one operation: all those of its order share one."""
    if not quantity.endswith("gradient"):
        return quantity
    return "second order" if quantity.startswith("second-order") else "first order"


def by_layer(quantity: str) -> str:
    """Return the scale group of a quantity of a network: all those of its layer share one."""
    name, _, kind = quantity.partition(" ")
    return f"{name.rpartition('.')[0] or name} {kind}"


@dataclass(frozen=True)
class Case:
    """A computation to compare between every engine and the reference.

    `runs` are tried in order until one succeeds: the whole first, then fewer orders. `scale` groups
    the quantities that share a scale. `expected` is the composed form on the same engine, for
    engines that have a fused form `fused`. Finite differences are taken of `tested`, if given.
    """

    section: str
    where: str
    runs: tuple[Run, ...]
    tolerance: float
    scale: Scale
    precision: str = "float64"
    expected: Run | None = None
    fused: str = ""
    tested: TestedFunction | None = None


def solving(tested: TestedFunction) -> tuple[Run, ...]:
    """Return runs of a function: with all its orders, and with fewer in case those fail."""
    orders = range(tested.orders, -1, -1)
    return tuple(functools.partial(evaluate, tested=replace(tested, orders=o)) for o in orders)


def case_of(
    section: str,
    where: str,
    function: TestedFunction,
    tolerance: float = OPERATION,
    scale: Scale = by_order,
    **more: Any,
) -> Case:
    """Return the case of a function; `more` are further fields of the case."""
    return Case(section, where, solving(function), tolerance, scale, **more)
