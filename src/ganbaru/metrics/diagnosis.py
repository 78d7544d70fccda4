"""The doctor: from the numbers in a run's log to findings about its training, each with a remedy.

`diagnose` is a pure function. The thresholds are calibrated by `bench/doctor.py`; docs/doctor.md
has the figures.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganbaru.config import Config, from_file, load_yaml
from ganbaru.metrics.milestones import BEST
from ganbaru.training import run_folder
from ganbaru.training.run_log import NOT_FINITE, Line, read_log

STEPS = 100  # before them G has made no progress yet, and nothing is judged
WINDOW = 3  # lines of the log of which the medians are judged
# Thresholds: see docs/doctor.md for the healthy runs' values.
STILL, FAST = 1e-6, 0.1  # updates over weights
UNEQUAL = 10  # D's update over G's
SATURATED = 0.05  # D's loss
# G's steps times g_update, before which a slow run (2e-4, 250 steps: 1.7) looks as sick ones do.
MOVED = 8.0
WEAK = 0.7  # the sum of both accuracies, which is 1 for a D that cannot tell
STRONG, POOR = 0.97, 0.4  # both accuracies, and the fakes' diversity
NARROW, WIDE, BRIGHT = 0.6, 1.5, 0.5
OBEYED, MEMORIZED = 0.03, 0.1  # shares of the difference between reals' and fakes' scores
COLLAPSED, ALIKE = 0.4, 0.25
PATTERN = 15.0
SCORED = 6  # scores in the log before a run is said to gain no more
GAINED = 0.5  # ... if the best one was in this first part of its images
PAGE = "docs/doctor.md"

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Finding:
    """A disease of a training.

    `certainty` is (n + 1) / (m + 2): of m runs of the calibration with this finding, n had this
    disease; 0.5 without any. `remedy` is what to try, as flags of `ganbaru train`, and `images` the
    place in the log.
    """

    code: str
    text: str
    certainty: float
    remedy: tuple[str, ...]
    images: int

    @property
    def page(self) -> str:
        """The place in the documentation."""
        return f"{PAGE}#{self.code}"

    def sentence(self) -> str:
        """Return the finding and its remedies as text."""
        tried = " or ".join(self.remedy)
        return f"{self.text} ({self.code}, certainty {self.certainty:.0%}). Try {tried}."

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON types."""
        return {**dataclasses.asdict(self), "page": self.page}


@dataclass(frozen=True)
class Diagnosis:
    """The findings about a run, and notes: what was not judged, and what is no disease."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return ``{"findings": [...], "notes": [...]}``."""
        return {"findings": [each.to_json() for each in self.findings], "notes": self.notes}


@dataclass(frozen=True)
class Rule:
    """A disease: the numbers it needs, when they show it, its sentence, and what to try.

    Of the `primary` ones only the first that holds is reported: the others would be its effects.
    `text` is filled with the numbers.
    """

    code: str
    certainty: float
    needs: tuple[str, ...]
    holds: Callable[[Numbers], bool]
    text: str
    remedy: Callable[[Config], Sequence[str]]
    primary: bool = False
    independent: bool = False  # reported beside a primary one


def _rates(factor: float) -> Callable[[Config], Sequence[str]]:
    return lambda config: [f"--lr {max(config.rates) * factor:.2g}"]


def _balanced(player: str) -> Callable[[Config], Sequence[str]]:
    """Bring one player's rate to the other's, or if they are equal to half of it."""

    def remedy(config: Config) -> Sequence[str]:
        g, d = config.rates
        own, other = (g, d) if player == "g" else (d, g)
        return [f"--lr-{player} {other if own > other else own / 2:.2g}", "--penalty r1"]

    return remedy


def _raised(player: str) -> Callable[[Config], Sequence[str]]:
    """Bring one player's rate up to the other's, or if they are equal to twice as much."""

    def remedy(config: Config) -> Sequence[str]:
        g, d = config.rates
        own, other = (g, d) if player == "g" else (d, g)
        return [f"--lr-{player} {other if own < other else own * 2:.2g}"]

    return remedy


RULES = (
    Rule(
        "divergence",
        1.0,
        (NOT_FINITE,),
        lambda x: x[NOT_FINITE] > 0,
        "The training diverged: {not_finite:.0f} numbers of the log became NaN or infinite",
        lambda config: [*_rates(0.25)(config), "--penalty r1", "--on-trouble rollback"],
        primary=True,
    ),
    Rule(
        "generator-frozen",
        0.67,
        ("g_update",),
        lambda x: x["g_update"] < STILL,
        "The generator does not move: an update changes its weights by {g_update:.1e} of their "
        "size (healthy runs: 2e-03 to 1e-01)",
        _raised("g"),
        primary=True,
    ),
    Rule(
        "discriminator-weak",
        0.67,
        ("real_accuracy", "fake_accuracy", "d_update"),
        lambda x: x["d_update"] < STILL or x["real_accuracy"] + x["fake_accuracy"] < WEAK,
        "The discriminator is too weak: it sees {real_accuracy:.0%} of reals and "
        "{fake_accuracy:.0%} of fakes as what they are, and an update changes its weights by "
        "{d_update:.1e} of their size",
        _raised("d"),
        primary=True,
    ),
    Rule(
        "value-range",
        0.33,
        ("brightness", "value_range", "moved"),
        lambda x: (
            x["moved"] > MOVED
            and (not NARROW < x["value_range"] < WIDE or abs(x["brightness"]) > BRIGHT)
        ),
        "Fakes and reals have other ranges of values: that of the fakes is {value_range:.2f} times "
        "as wide, and they are brighter by {brightness:+.2f} (of 2)",
        lambda config: ["--range auto", "a last layer of your generator that ends in tanh"],
        primary=True,
    ),
    Rule(
        "learning-rate",
        0.75,
        ("fastest",),
        lambda x: x["fastest"] > FAST,
        "The learning rates are too high: updates changed weights by up to {fastest:.0%} of their "
        "size, on the mean of a line of the log",
        _rates(0.1),
        primary=True,
    ),
    Rule(
        "discriminator-strong",
        0.5,
        ("real_accuracy", "fake_accuracy", "diversity", "d_update", "moved", "d_loss"),
        lambda x: (
            min(x["real_accuracy"], x["fake_accuracy"]) > STRONG
            and x["diversity"] < POOR
            and (
                x["moved"] > MOVED
                or x["d_update"] > UNEQUAL * x["g_update"]
                or 0 <= x["d_loss"] < SATURATED
            )
        ),
        "The discriminator is too strong: it sees {real_accuracy:.1%} of reals and "
        "{fake_accuracy:.1%} of fakes as what they are, and the fakes differ from each other by "
        "{diversity:.2f} of what reals do",
        _balanced("d"),
        primary=True,
    ),
    Rule(
        "labels",
        0.67,
        ("label_gap", "obeyed"),
        lambda x: x["obeyed"] < OBEYED,
        "The discriminator ignores labels, or they are wrong: it scores reals with another class's "
        "label by {label_gap:.3f} lower",
        lambda config: ["`ganbaru data` to look at the classes", "--conditioning projection"],
        independent=True,
    ),
    Rule(
        "overfitting",
        0.5,
        ("train_d_loss", "held_out_d_loss", "real_score", "fake_score"),
        lambda x: (
            x["held_out_d_loss"] - x["train_d_loss"]
            > MEMORIZED * abs(x["real_score"] - x["fake_score"])
        ),
        "The discriminator overfits: its loss is {train_d_loss:.2f} on training images and "
        "{held_out_d_loss:.2f} on held-out ones of the same moment",
        lambda config: ["--augment auto", "more images", "fewer --steps"],
        independent=True,
    ),
    Rule(
        "mode-collapse",
        0.33,
        ("diversity", "moved"),
        lambda x: x["moved"] > MOVED and x["diversity"] < COLLAPSED,
        "The generator collapses: its images differ from each other by {diversity:.2f} of what "
        "reals do",
        lambda config: [*_rates(0.5)(config), "--penalty r1", "--minibatch-deviation"],
    ),
    Rule(
        "class-collapse",
        0.5,
        ("class_diversity", "diversity", "moved"),
        lambda x: (
            x["moved"] > MOVED and x["class_diversity"] < ALIKE and x["diversity"] >= COLLAPSED
        ),
        "The images of a class are alike: they differ by {class_diversity:.2f} of what reals of a "
        "class do",
        lambda config: [*_rates(0.5)(config), "--minibatch-deviation", "--conditioning none"],
    ),
    Rule(
        "checkerboard",
        0.5,
        ("checkerboard", "moved"),
        lambda x: x["moved"] > MOVED and x["checkerboard"] > PATTERN,
        "The images have a checkerboard: periods of 2 or 4 pixels are {checkerboard:.1f} times as "
        "strong as frequencies near them, compared with reals",
        lambda config: ["--network dcgan-filtered", "--network resnet"],
    ),
)


def _numbers(lines: Sequence[Line]) -> dict[str, float]:
    """Return the medians of the last lines; of numbers that few lines have, the last ones.

    `moved` is how far G has come: its steps times the share of its weights that an update changes;
    `fastest` the largest such share of a line, for weights grow until a high rate is a small share.
    `obeyed` is the largest part that labels have had in D's separation: once the fakes have their
    labels too, nothing trains D on reals with wrong ones, and healthy runs go below 0.
    """
    judged = [line for line in lines if line["step"] >= STEPS or NOT_FINITE in line]
    found: dict[str, list[float]] = {}
    for line in judged:
        for name, value in line.items():
            found.setdefault(name, []).append(value)
    numbers = {name: statistics.median(values[-WINDOW:]) for name, values in found.items()}
    gaps = [
        x["label_gap"] / max(1e-6, abs(x["real_score"] - x["fake_score"]))
        for x in judged
        if {"label_gap", "real_score", "fake_score"} <= {*x}
    ]
    if gaps:
        numbers["obeyed"] = max(gaps)
    if "g_update" in numbers:
        updates = [
            max(x["g_update"], x["d_update"]) for x in lines if {"g_update", "d_update"} <= {*x}
        ]
        numbers["moved"] = numbers["step"] * numbers["g_update"]
        numbers["fastest"] = max(updates, default=0.0)
    return numbers


def diagnose(lines: Sequence[Line], config: Config) -> Diagnosis:
    """Return what the numbers of a log show at its end.

    At most one primary disease is reported, and then no other, but overfitting and labels, which
    show whatever else is wrong.
    """
    numbers = _numbers(lines)
    if not numbers:
        return Diagnosis(notes=[f"The log has no line after {STEPS} steps: nothing is judged."])
    held = [rule for rule in RULES if _holds(rule, numbers)]
    if first := next((rule for rule in held if rule.primary), None):
        held = [first, *(rule for rule in held if rule.independent)]
    images = int(lines[-1]["images"])
    findings = [
        Finding(
            rule.code,
            rule.text.format_map(numbers),
            rule.certainty,
            tuple(rule.remedy(config)),
            images,
        )
        for rule in held
    ]
    return Diagnosis(findings, [*_unjudged(numbers), *_saturated(lines)])


def _holds(rule: Rule, numbers: Numbers) -> bool:
    return all(name in numbers for name in rule.needs) and rule.holds(numbers)


def _unjudged(numbers: Numbers) -> list[str]:
    """Return a note of the diseases that cannot be seen without numbers that the log lacks."""
    hidden = [
        rule.code
        for rule in RULES
        if NOT_FINITE not in rule.needs and not all(name in numbers for name in rule.needs)
    ]
    if not hidden:
        return []
    return [f"Not judged, since the log lacks their numbers: {', '.join(hidden)}."]


def _saturated(lines: Sequence[Line]) -> list[str]:
    """Return a note if scores have not improved in the second half of the run or longer."""
    scored = [(line[BEST], line["images"]) for line in lines if BEST in line]
    if len(scored) < SCORED:
        return []
    _, images = min(scored)
    total = lines[-1]["images"]
    if images > GAINED * total:
        return []
    return [
        f"Nothing more to gain: the best score was at {images:,.0f} of {total:,.0f} images. Take "
        f"best.safetensors (--checkpoint best), and --patience {SCORED} for the next run."
    ]


def doctor(run: str | Path) -> Diagnosis:
    """Examine a run, finished or in training, by its folder or its name below runs/.

    Raises InputError if it is no run or a file in it is damaged; damaged lines of its log are left
    out, with a note.
    """
    folder = run_folder.existing(run)
    notes: list[str] = []
    lines = read_log(folder, notes.append)
    config = from_file(load_yaml(folder.config), folder.config)
    found = diagnose(lines, config)
    return Diagnosis(found.findings, [*notes, *found.notes])
