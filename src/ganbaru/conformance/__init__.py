"""Engines that prove each other right: from single operations to twenty steps of training.

The NumPy engine, itself held against finite differences, is the reference of all others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ganbaru import engines
from ganbaru.conformance import cases, updates
from ganbaru.conformance.checks import Engines, Outcome, differ, judge
from ganbaru.conformance.fixtures import Plan, of_preset, of_run, registered
from ganbaru.errors import InputError

__all__ = ["Plan", "Report", "check", "load", "of_preset", "of_run", "registered"]

REFERENCE = "numpy"
Progress = Callable[[int, int, str], None]  # done, total, what


@dataclass(frozen=True)
class Report:
    """What every engine gave for every case, section by section."""

    engines: dict[str, str]  # by name: what computes where
    reference: str
    outcomes: list[Outcome]

    @property
    def faults(self) -> list[Outcome]:
        """Where an engine is wrong."""
        return [outcome for outcome in self.outcomes if outcome.fault]


def load(names: Sequence[str], device: str = "auto") -> Engines:
    """Make engines ready in both precisions, the reference first, whether named or not."""
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


def check(plan: Plan, loaded: Engines, progress: Progress) -> Report:
    """Run all cases of a plan on all engines.

    Where finite differences find the reference at fault, the next engine takes its place.
    """
    every = [
        *cases.layers(plan), *updates.fused_forms(), *updates.updates(), *cases.networks(plan),
        *cases.objectives(plan), *cases.penalties(plan), *cases.twenty_steps(plan),
        *cases.single(plan),
    ]  # fmt: skip
    derived = [(case, case.problem) for case in every if case.problem]
    total, outcomes = len(derived) + len(every), []
    for i, (case, problem) in enumerate(derived, 1):
        outcomes.append(differ(case, problem, REFERENCE, loaded[REFERENCE]["float64"]))
        progress(i, total, "checking")
    wrong = any(outcome.fault for outcome in outcomes)
    reference = list(loaded)[1] if wrong and len(loaded) > 1 else REFERENCE
    for i, case in enumerate(every, len(derived) + 1):
        outcomes += judge(case, loaded, reference)
        progress(i, total, "checking")
    described = {name: each["float64"].describe() for name, each in loaded.items()}
    return Report(described, reference, outcomes)
