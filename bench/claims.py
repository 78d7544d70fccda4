"""Published claims: their descriptions, the measurements of their tiny scale, and the verdicts.

A claim is `recipes/claims/NAME.yaml`, its last measurement `NAME.json` beside it. A statement is
judged by its exact test over paired seeds, adjusted for all statements of the claim.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganbaru import records
from ganbaru.comparison import significance, standings
from ganbaru.errors import InputError, quoted
from ganbaru.formatting import with_interval
from ganbaru.metrics.definitions import HIGHER, METRICS

ROOT = Path(__file__).resolve().parents[1]
CLAIMS = ROOT / "recipes" / "claims"
SUPPORTED = "consistent with"
UNSUPPORTED = "not supported at this scale"
UNTESTABLE = "cannot be tested at this scale"
REMEDY = "Correct the description of the claim."
Side = str | float  # a contestant's label, or a level that is compared with


@dataclass(frozen=True)
class Statement:
    """A part of a claim that can be tested: `better` has the better `score` than `than`."""

    better: Side
    than: Side
    score: str

    def __str__(self) -> str:
        title, higher = METRICS[self.score].title, METRICS[self.score].better == HIGHER
        if not isinstance(self.than, str):
            return f"{self.better}: {title} {'above' if higher else 'below'} {self.than:g}"
        if not isinstance(self.better, str):
            return f"{self.than}: {title} {'below' if higher else 'above'} {self.better:g}"
        return f"{self.better} better than {self.than}: {title}"


@dataclass(frozen=True)
class Tiny:
    """The tiny scale: contestants by label, what they share, the budget, and what is tested."""

    contestants: dict[str, str]
    options: str
    images: int
    statements: list[Statement]
    seeds: int = 6
    evaluate_images: int = 2000


@dataclass(frozen=True)
class Claim:
    """A published claim: source, slips, the full scale, published numbers, and the tiny scale."""

    title: str
    claim: str
    source: str
    full: str
    expected: str
    limits: str  # what the tiny scale leaves open
    tiny: Tiny
    slips: list[str] = field(default_factory=list)
    elsewhere: str = ""  # larger runs that were measured


@dataclass(frozen=True)
class Measurement:
    """The scores of every run, by contestant and score, in the order of seeds; when and how."""

    date: str
    commit: str
    cores: int
    seconds: float | None  # of the processor; None if the tournament was resumed
    command: str
    images: int
    scores: dict[str, dict[str, list[float | None]]]  # None: the run failed


@dataclass(frozen=True)
class Judged:
    """A statement with the mean advantage over seeds (positive: as claimed), interval and p."""

    statement: Statement
    advantage: float | None
    interval: tuple[float, float] | None
    p: float | None

    @property
    def by(self) -> str:
        """The advantage with its interval."""
        if self.advantage is None:
            return ""
        return with_interval(self.advantage, *(self.interval or (None, None)))

    @property
    def verdict(self) -> str:
        """In words: supported, contradicted or open."""
        if self.p is None or self.advantage is None:
            return "open: a run failed"
        if self.p > significance.LEVEL:
            return "open"
        return "supported" if self.advantage > 0 else "contradicted"


# --- descriptions -----------------------------------------------------------------------------


def names() -> list[str]:
    """Return the names of the claims."""
    return sorted(path.stem for path in CLAIMS.glob("*.yaml"))


def read(name: str, folder: Path | None = None) -> Claim:
    """Read a description; raises InputError for one that says what cannot be tested."""
    path = (folder or CLAIMS) / f"{name}.yaml"
    claim = records.check(records.read_yaml(path, REMEDY), Claim, path, REMEDY)
    for one in claim.tiny.statements:
        for side in (one.better, one.than):
            if isinstance(side, str) and side not in claim.tiny.contestants:
                known = ", ".join(claim.tiny.contestants)
                raise InputError(f"{path}: {side!r} is no contestant: name one of {known}.")
        if one.score not in METRICS:
            raise InputError(f"{path}: {one.score!r} is no score: use {', '.join(METRICS)}.")
    return claim


def measurement(name: str, folder: Path | None = None) -> Measurement | None:
    """Return the last measurement of a claim, None without one of the command as it is now."""
    path, tiny = (folder or CLAIMS) / f"{name}.json", read(name, folder).tiny
    if not path.exists():
        return None
    found = records.read(path, Measurement, f"Measure again: make reproduce NAME={name}")
    return found if found.command == quoted("ganbaru", *command(name, tiny)) else None


def command(name: str, tiny: Tiny) -> list[str]:
    """Return the arguments of `ganbaru` that measure a claim at the tiny scale."""
    budget = {"images": tiny.images, "evaluate-every": tiny.images, "seeds": tiny.seeds}
    # One grid and no held-out losses: for runs of seconds they would take as long as the training.
    budget |= {"evaluate-images": tiny.evaluate_images, "sample-every": tiny.images, "held-out": 0}
    flags = [word for key, value in budget.items() for word in (f"--{key}", str(value))]
    folder = ["-o", f"runs/reproduce/{name}"]
    return ["compare", *tiny.contestants.values(), *shlex.split(tiny.options), *flags, *folder]


# --- verdicts ---------------------------------------------------------------------------------


def judge(tiny: Tiny, found: Measurement) -> list[Judged]:
    """Judge each statement by its paired seeds; p-values are adjusted for all of them."""
    advantages = [_advantage(one, found) for one in tiny.statements]
    whole = [i for i, each in enumerate(advantages) if np.isfinite(each).all()]
    p: dict[int, float] = {}
    if whole:
        adjusted = significance.adjusted_p(np.stack([advantages[i] for i in whole]))
        p = dict(zip(whole, adjusted.tolist(), strict=True))
    return [
        Judged(one, float(each.mean()), standings.interval(each), p[i])
        if i in p
        else Judged(one, None, None, None)
        for i, (one, each) in enumerate(zip(tiny.statements, advantages, strict=True))
    ]


def _advantage(one: Statement, found: Measurement) -> NDArray[np.float64]:
    """Return by how much `better` is better with each seed (n,); NaN for failed runs."""
    runs = max(len(each[one.score]) for each in found.scores.values())
    better, than = (
        np.array(found.scores[side][one.score], np.float64)
        if isinstance(side, str)
        else np.full(runs, float(side))
        for side in (one.better, one.than)
    )
    return (better - than) * (1 if METRICS[one.score].better == HIGHER else -1)


def verdict(claim: Claim, found: Measurement | None) -> str:
    """Return the verdict on a claim: the strongest that its statements and seeds support."""
    if not claim.tiny.statements:
        return UNTESTABLE
    if found is None:
        return "not measured yet"
    runs = min(len(each) for scores in found.scores.values() for each in scores.values())
    if runs < significance.seeds_needed():
        return UNTESTABLE
    judged = judge(claim.tiny, found)
    return SUPPORTED if all(one.verdict == "supported" for one in judged) else UNSUPPORTED
