"""Agreement of engines: from single operations to twenty steps of training.

The NumPy engine, itself checked by finite differences, is the reference for all others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ganbaru import engines
from ganbaru.conformance import cases, updates
from ganbaru.conformance.checks import Comparison, Engines, check_case, check_differences
from ganbaru.conformance.fixtures import CheckPlan, of_preset, of_run, registered
from ganbaru.errors import InputError

__all__ = ["CheckPlan", "Findings", "check", "load", "of_preset", "of_run", "registered"]

REFERENCE = "numpy"
Progress = Callable[[int, int, str], None]  # done, total, what


@dataclass(frozen=True)
class Findings:
    """The comparisons of every engine in every case, section by section."""

    engines: dict[str, str]  # descriptions by name
    reference: str
    comparisons: list[Comparison]

    @property
    def faults(self) -> list[Comparison]:
        """The comparisons in which an engine is wrong."""
        return [comparison for comparison in self.comparisons if comparison.fault]


def load(names: Sequence[str], device: str = "auto") -> Engines:
    """Load engines in both precisions, the reference first, whether named or not."""
    doubled = [name for name in names if list(names).count(name) > 1]
    if doubled:
        raise InputError(f"--engines names {doubled[0]!r} twice: name each engine once.")
    wanted = [REFERENCE, *(name for name in names if name != REFERENCE)]
    return {
        name: {
            precision: engines.load(name, "auto" if name == REFERENCE else device, precision)
            for precision in engines.PRECISIONS
        }
        for name in wanted
    }


def check(plan: CheckPlan, loaded: Engines, progress: Progress) -> Findings:
    """Run all cases of a plan on all engines.

    Where finite differences find the reference at fault, the next engine takes its place.
    """
    every = [
        *cases.layers(plan),
        *updates.fused_forms(),
        *updates.updates(),
        *cases.networks(plan),
        *cases.objectives(plan),
        *cases.penalties(plan),
        *cases.augmentations(plan),
        *cases.twenty_steps(plan),
        *cases.single(plan),
    ]
    derived = [case for case in every if case.tested]
    total, comparisons = len(derived) + len(every), []
    for i, case in enumerate(derived, 1):
        comparisons.append(check_differences(case, REFERENCE, loaded[REFERENCE]["float64"]))
        progress(i, total, "checking")
    wrong = any(comparison.fault for comparison in comparisons)
    reference = list(loaded)[1] if wrong and len(loaded) > 1 else REFERENCE
    for i, case in enumerate(every, len(derived) + 1):
        comparisons += check_case(case, loaded, reference)
        progress(i, total, "checking")
    described = {name: each["float64"].describe() for name, each in loaded.items()}
    return Findings(described, reference, comparisons)
