"""Passports: everything a score depends on besides the images; other scores are not compared."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from ganbaru import files, records
from ganbaru.errors import InputError, shortened
from ganbaru.formatting import Brief, html_table, number

FORMAT = 1
FILE = "scores.json"


@dataclass(frozen=True, repr=False)
class Passport(Brief):
    """What two scores must have in common to be comparable."""

    scorer: str  # its kind and version
    scorer_hash: str
    scorer_accuracy: float | None  # on images that it was not trained on
    data: str
    fingerprint: str  # of the real images
    reference: str  # which real images are the reference
    reals: int
    fakes: int
    floor: str  # which other real images the baseline is of
    resize: str
    seed: int  # of subsets, subsamples and CAS
    interval: str
    cas: str
    neighbours: int = 5  # K of precision, recall, density and coverage
    fake_labels: str = ""  # by which rule a conditional generator got its labels


@dataclass(frozen=True)
class Score:
    """A score with its 95 % interval (None for a count) and its real-image baseline."""

    value: float
    low: float | None
    high: float | None
    floor: float  # the baseline: the score of other real images
    spread: float | None = None  # standard deviation over random networks
    p: float | None = None  # of a test: the probability of such a value for images like the reals

    def interval(self, number: Callable[[float], str]) -> str:
        """Return the interval and the p-value as text, numbers by `number`; empty without them."""
        if self.low is None or self.high is None:
            return ""
        p = "" if self.p is None else f", p = {self.p:.2g}"
        return f"{number(self.low)} to {number(self.high)}{p}"


@dataclass(frozen=True)
class AttributeScore:
    """How well one attribute is obeyed, with a 95 % interval and the real-image baseline."""

    measure: str  # "accuracy" of a binary attribute, "correlation" of a number
    value: float
    low: float
    high: float
    floor: float


@dataclass(frozen=True, repr=False)
class Evaluation(Brief):
    """The scores of a set of images, with their passport."""

    subject: str
    origin: dict[str, Any]  # run, checkpoint and seed, or name and fingerprint
    passport: Passport
    scores: dict[str, Score]
    classes: dict[str, tuple[float, float]]  # share among the fakes and among the reals
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    attributes: dict[str, AttributeScore] = dataclasses.field(default_factory=dict)  # obeyed

    def __repr__(self) -> str:
        scores = (f"{name}={score.value:.4g}" for name, score in self.scores.items())
        return f"Evaluation({shortened(self.subject)!r}, {', '.join(scores)})"

    def _repr_html_(self) -> str:
        """Return a table of the scores for notebooks."""
        rows = (
            (name, f"{one.value:.4g}", one.interval(number), f"{one.floor:.4g}")
            for name, one in self.scores.items()
        )
        about = f"{self.subject}: {self.passport.fakes:,} images against {self.passport.data}"
        headings = ("score", "value", "95 % interval", "real images")
        return f"<p>{html.escape(about)}</p>{html_table(headings, rows)}"

    def to_json(self) -> dict[str, Any]:
        """Return plain dictionaries, lists and numbers."""
        shares = {name: list(pair) for name, pair in self.classes.items()}
        return {**dataclasses.asdict(self), "classes": shares, "notes": list(self.notes)}


def differences(one: Passport, other: Passport) -> list[str]:
    """Return the differences of two passports; an empty list if scores may be compared."""
    pairs = (
        (field.name.replace("_", " "), getattr(one, field.name), getattr(other, field.name))
        for field in dataclasses.fields(Passport)
    )
    return [f"{name}: {a} and {b}" for name, a, b in pairs if a != b]


def check_comparable(*evaluations: Evaluation) -> None:
    """Raise InputError with the differences unless all have the same passport."""
    for other in evaluations[1:]:
        if found := differences(evaluations[0].passport, other.passport):
            raise InputError(
                f"The scores of {evaluations[0].subject} and {other.subject} cannot be compared, "
                f"since their conditions differ ({'; '.join(found)}). Evaluate both again with the "
                f"same data, scorer and -n."
            )


class Stored(TypedDict):
    """The content of scores.json."""

    evaluations: list[Evaluation]


def stored(folder: Path) -> list[Evaluation]:
    """Return the evaluations stored in a run's folder, oldest first."""
    path = folder / FILE
    if not path.exists():
        return []
    remedy = "Delete it; `ganbaru evaluate` writes a new one."
    return records.read(path, Stored, remedy)["evaluations"]


def store(folder: Path, evaluation: Evaluation) -> None:
    """Store an evaluation in a run's folder, replacing one of the same origin and passport."""
    key = (evaluation.origin, evaluation.passport)
    others = [one for one in stored(folder) if (one.origin, one.passport) != key]
    every = [one.to_json() for one in [*others, evaluation]]
    files.write_json(folder / FILE, {"format": FORMAT, "evaluations": every})
