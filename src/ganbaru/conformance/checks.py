"""Running the cases on the engines, and deciding which engine is wrong where."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ganbaru import ops
from ganbaru.conformance import finite_differences
from ganbaru.conformance.case import Case, Run, largest
from ganbaru.conformance.functions import OUTPUT, Arrays
from ganbaru.engines import Engine

Engines = dict[str, Mapping[str, Engine]]  # by name, then by precision
DIFFERENCES = "finite differences"


@dataclass(frozen=True)
class Comparison:
    """One engine's result in one case: the error of each quantity, relative to its scale.

    `failure` is the engine's error message, or the wrong shape of a result; quantities that are
    missing or of another shape have an infinite error.
    """

    section: str
    where: str
    engine: str
    errors: dict[str, float]
    tolerance: float
    against: str = ""
    failure: str = ""

    @property
    def worst(self) -> tuple[float, str]:
        """The largest error, and the quantity that has it."""
        errors = ((math.inf if math.isnan(e) else e, name) for name, e in self.errors.items())
        return max(errors, default=(0.0, ""))

    @property
    def fault(self) -> str:
        """The first quantity that is wrong, in the order in which they are computed, or ""."""
        wrong = (name for name, error in self.errors.items() if not error <= self.tolerance)
        return next(wrong, "")


@dataclass(frozen=True)
class _Found:
    """What an engine computed for a case, and its error message if it failed."""

    arrays: Arrays
    failure: str = ""


def _attempt(runs: Sequence[Run], engine: Engine) -> _Found:
    """Return the first run of a case that succeeds, with the failure of the whole."""
    failure = ""
    for run in runs:
        try:
            with ops.dispatching(type(engine), engine.TENSOR_MODULES):
                return _Found(run(engine), failure)
        except MemoryError:
            raise
        except Exception as error:  # an engine at fault may raise anything
            said = str(error).strip().partition("\n")[0]
            failure = failure or f"{type(error).__name__}: {said}"
    return _Found({}, failure)


def compare(case: Case, found: Arrays, expected: Arrays) -> dict[str, float]:
    """Return the error of each quantity, relative to the largest entry that shares its scale."""
    scales = largest(expected, case.scale)
    return {
        name: _error(found.get(name), array, scales[name] or 1.0)
        for name, array in expected.items()
    }


def _error(found: np.ndarray | None, expected: np.ndarray, scale: float) -> float:
    if found is None or found.shape != expected.shape:
        return math.inf
    difference = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    return float(difference.max(initial=0) / scale)


def check_case(case: Case, engines: Engines, reference: str) -> list[Comparison]:
    """Run a case on all engines; compare each with the reference, or with its composed form."""
    chosen = {name: each[case.precision] for name, each in engines.items()}
    if case.expected:
        return [
            _compared(case, name, _attempt(case.runs, engine), _attempt((case.expected,), engine))
            for name, engine in chosen.items()
            if case.fused in engine.FUSED
        ]
    found = {name: _attempt(case.runs, engine) for name, engine in chosen.items()}
    against = _trusted(case, found, reference)
    expected = found[against]
    if case.precision != "float64":
        expected = _attempt(case.runs, engines[against]["float64"])
    others = [name for name in found if name != against or case.precision != "float64"]
    comparisons = [_compared(case, name, found[name], expected, against) for name in others]
    if expected.failure and against not in others:
        comparisons.append(_failed(case, against, expected.failure))
    return comparisons


def _trusted(case: Case, found: Mapping[str, _Found], reference: str) -> str:
    """Return the reference, or the first of the others if all of them agree against it."""

    def agree(one: str, other: str) -> bool:
        compared = _compared(case, one, found[one], found[other])
        return bool(compared.errors) and not compared.fault

    others = [name for name in found if name != reference]
    if len(others) < 2 or agree(others[0], reference):
        return reference
    return others[0] if all(agree(name, others[0]) for name in others) else reference


def _compared(
    case: Case, name: str, found: _Found, expected: _Found, against: str = ""
) -> Comparison:
    """Compare results; a wrong shape may be why a gradient failed, and is given in its place."""
    errors = compare(case, found.arrays, expected.arrays)
    both = ((found.arrays[n].shape, expected.arrays[n].shape) for n in errors if n in found.arrays)
    misshapen = (f"shape {shape}, not {right}" for shape, right in both if shape != right)
    failure = next(misshapen, found.failure)
    return Comparison(case.section, case.where, name, errors, case.tolerance, against, failure)


def _failed(case: Case, name: str, failure: str) -> Comparison:
    errors = {OUTPUT: math.inf}
    return Comparison(case.section, case.where, name, errors, case.tolerance, failure=failure)


def check_differences(case: Case, name: str, engine: Engine) -> Comparison:
    """Compare an engine's gradients with finite differences."""
    case = replace(case, section=DIFFERENCES, tolerance=finite_differences.TOLERANCE)
    found = _attempt(case.runs, engine)
    if found.failure or not case.tested:
        return _failed(case, name, found.failure)
    errors = finite_differences.errors(engine, case.tested, found.arrays)
    return Comparison(case.section, case.where, name, errors, case.tolerance)
