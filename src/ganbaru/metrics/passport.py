"""Passports: what a number depends on besides the images, and the refusal to compare others."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganbaru import files
from ganbaru.errors import InputError

FORMAT = 1
FILE = "scores.json"


@dataclass(frozen=True)
class Passport:
    """Everything that two numbers must have in common to be compared."""

    scorer: str  # its kind and version
    scorer_hash: str
    scorer_accuracy: float | None  # on images that it has not learnt from
    data: str
    fingerprint: str  # of the real images
    reference: str  # which real images were compared with
    reals: int
    fakes: int
    floor: str  # which other real images took the fakes' place
    resize: str
    seed: int  # of subsets, subsamples and the pupil of CAS
    interval: str
    cas: str


@dataclass(frozen=True)
class Score:
    """A number with its 95 % interval and what real images get in the fakes' place."""

    value: float
    low: float
    high: float
    floor: float
    spread: float | None = None  # deviation over random networks


@dataclass(frozen=True)
class Evaluation:
    """The scores of a set of images, with their passport."""

    subject: str
    origin: dict[str, Any]  # run, checkpoint and seeds, or file and fingerprint
    passport: Passport
    scores: dict[str, Score]
    classes: dict[str, tuple[float, float]]  # share among the fakes and among the reals
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain dictionaries, lists and numbers."""
        shares = {name: list(pair) for name, pair in self.classes.items()}
        return {**dataclasses.asdict(self), "classes": shares, "notes": list(self.notes)}

    @staticmethod
    def from_json(found: dict[str, Any]) -> Evaluation:
        """Make an evaluation of what `to_json` returned."""
        return Evaluation(
            subject=found["subject"],
            origin=found["origin"],
            passport=Passport(**found["passport"]),
            scores={name: Score(**score) for name, score in found["scores"].items()},
            classes={name: (fake, real) for name, (fake, real) in found["classes"].items()},
            notes=tuple(found["notes"]),
            seconds=found["seconds"],
        )


def differences(one: Passport, other: Passport) -> list[str]:
    """Say in what two passports differ; an empty list if numbers may be compared."""
    pairs = (
        (field.name.replace("_", " "), getattr(one, field.name), getattr(other, field.name))
        for field in dataclasses.fields(Passport)
    )
    return [f"{name}: {a} and {b}" for name, a, b in pairs if a != b]


def check_comparable(*evaluations: Evaluation) -> None:
    """Raise InputError, with the reason, unless all have the same passport."""
    for other in evaluations[1:]:
        if found := differences(evaluations[0].passport, other.passport):
            raise InputError(
                f"The scores of {evaluations[0].subject} and {other.subject} cannot be compared, "
                f"since they were not measured alike ({'; '.join(found)}). Evaluate both again "
                f"with the same data, scorer and -n."
            )


def stored(folder: Path) -> list[Evaluation]:
    """Return the evaluations that a run's folder keeps, oldest first."""
    path = folder / FILE
    if not path.exists():
        return []
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return [Evaluation.from_json(one) for one in kept["evaluations"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} holds no scores that can be read ({type(error).__name__}). Delete it; "
            f"ganbaru evaluate writes it anew."
        ) from error


def store(folder: Path, evaluation: Evaluation) -> Path:
    """Add an evaluation to those of a run; it replaces one of the same origin and passport."""
    mark = (evaluation.origin, evaluation.passport)
    others = [one for one in stored(folder) if (one.origin, one.passport) != mark]
    kept = [one.to_json() for one in [*others, evaluation]]
    text = json.dumps({"format": FORMAT, "evaluations": kept}, indent=1, ensure_ascii=False)
    files.write_text(folder / FILE, text + "\n")
    return folder / FILE
