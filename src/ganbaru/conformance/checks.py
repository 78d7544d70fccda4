"""Running the cases on the engines, and deciding which engine is wrong where."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ganbaru import ops
from ganbaru.conformance import finite_differences
from ganbaru.conformance.cases import Case, Run, largest
from ganbaru.conformance.functions import OUTPUT, Arrays, TestedFunction
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
        return max(((_number(error), name) for name, error in self.errors.items()), default=(0, ""))

    @property
    def fault(self) -> str:
        """The first quantity that is wrong, in the order in which they are computed, or ""."""
        wrong = (name for name, e in self.errors.items() if not e <= self.tolerance)
        return next(wrong, "")


def _number(error: float) -> float:
    return math.inf if math.isnan(error) else error


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


def _agree(case: Case, one: _Found, other: _Found) -> bool:
    errors = compare(case, one.arrays, other.arrays)
    return bool(errors) and all(error <= case.tolerance for error in errors.values())


def judge(case: Case, engines: Engines, reference: str) -> list[Comparison]:
    """Run a case on all engines; compare each with the reference, or with its composed form."""
    if case.expected:
        return [
            _fused(case, name, each[case.precision], case.expected)
            for name, each in engines.items()
            if case.fused in each[case.precision].FUSED
        ]
    found = {name: _attempt(case.runs, each[case.precision]) for name, each in engines.items()}
    against = _trusted(case, found, reference)
    expected = found[against]
    if case.precision != "float64":
        expected = _attempt(case.runs, engines[against]["float64"])
    judged = [name for name in found if name != against or case.precision != "float64"]
    comparisons = [_outcome(case, name, found[name], expected, against) for name in judged]
    if expected.failure and against not in judged:
        comparisons.append(
            Comparison(
                case.section,
                case.where,
                against,
                {OUTPUT: math.inf},
                case.tolerance,
                failure=expected.failure,
            )
        )
    return comparisons


def _fused(case: Case, name: str, engine: Engine, composed: Run) -> Comparison:
    """Compare an engine's fused form of an operation with the composed one, on that engine."""
    return _outcome(case, name, _attempt(case.runs, engine), _attempt((composed,), engine))


def _trusted(case: Case, found: Mapping[str, _Found], reference: str) -> str:
    """Return the reference, or the first of the others if all of them agree against it."""
    others = [name for name in found if name != reference]
    if len(others) < 2 or _agree(case, found[others[0]], found[reference]):
        return reference
    together = all(_agree(case, found[name], found[others[0]]) for name in others)
    return others[0] if together else reference


def _outcome(
    case: Case, name: str, found: _Found, expected: _Found, against: str = ""
) -> Comparison:
    errors = compare(case, found.arrays, expected.arrays)
    failure = _misshapen(found.arrays, expected.arrays) or found.failure
    return Comparison(case.section, case.where, name, errors, case.tolerance, against, failure)


def _misshapen(found: Arrays, expected: Arrays) -> str:
    """Return the first wrong shape, which may be why a gradient failed."""
    for name, array in expected.items():
        if name in found and found[name].shape != array.shape:
            return f"shape {found[name].shape}, not {array.shape}"
    return ""


def differ(case: Case, tested: TestedFunction, name: str, engine: Engine) -> Comparison:
    """Compare an engine's gradients with finite differences."""
    found = _attempt(case.runs, engine)
    errors = (
        {OUTPUT: math.inf}
        if found.failure
        else finite_differences.errors(engine, tested, found.arrays)
    )
    return Comparison(
        DIFFERENCES, case.where, name, errors, finite_differences.TOLERANCE, failure=found.failure
    )
