"""The doctor: from the numbers in a run's log to findings about its training, each with a remedy.

`diagnose` is a pure function; `History` does the same line by line. The rules are in `diseases`.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ganbaru.config import Config, from_file, load_yaml
from ganbaru.gan import augmentation
from ganbaru.metrics.diseases import APART, EXHAUSTED, RULES, Numbers, Rule
from ganbaru.metrics.milestones import BEST
from ganbaru.training import run_folder
from ganbaru.training.run_log import NOT_FINITE, Line, read_log

STEPS = 100  # before them G has made no progress yet, and nothing is judged
WINDOW = 3  # lines of the log of which the medians are judged
SCORED = 6  # scores in the log before a run is said to gain no more
GAINED = 0.5  # ... if the best one was in this first part of its images
LEAST = {"memorized", "checkerboard"}  # ... or the least: one grid of a healthy run may have 60
TINY = 1e-12  # a divisor's least
CONTRAST = 0.5  # before the first grid: healthy fakes had more once G had moved 8
# Of D's separation: the gap's error where a log lacks it, as of a single batch of held-out images.
OLD_ERROR = 0.035
STRENGTH = "augment_strength"
PAGE = "docs/doctor.md"
NOTES = {
    "early": "The log has no line after {0} steps: nothing is judged.",
    "unjudged": "Not judged, since the log lacks their numbers: {0}.",
    "saturated": "Nothing more to gain: the best score was at {0:,.0f} of {1:,.0f} images. "
    "--patience {2} would have ended the run.",
}
NO_TEXTS: Mapping[str, str] = MappingProxyType({})


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
    judged: bool = True  # or the run is too short, as a note says

    def to_json(self) -> dict[str, Any]:
        """Return ``{"findings": [...], "notes": [...]}``."""
        return {"findings": [each.to_json() for each in self.findings], "notes": self.notes}


class History:
    """The numbers of a log, line by line, in constant time and memory for each.

    Of most numbers the medians of the last lines count, of those in `LEAST` the least. `moved` is
    how far G has come: the sum over its steps of the share of its weights that an update changes;
    `d_moved` D's. `fastest` is the largest such share of a line, for weights grow until a high rate
    is a small share, and `lead` D's largest over G's. `variety` is the diversity that the fakes
    would have with the contrast of reals, for young ones are grey, and `class_variety` that within
    a class. `obeyed` is the largest part that labels have had in D's separation, as the median of
    two or three grids: once the fakes have their labels too, nothing trains D on reals with wrong
    ones, and healthy runs go below 0. `darkest` and `brightest` are the ends that the fakes' values
    have ever come nearest to the reals'. `memorized` is the smallest of the last gaps between
    held-out and training loss, less twice its error, as a part of D's separation: a
    Wasserstein critic's gap on 250 images was -0.3 to 0.3 of it in healthy runs.
    """

    def __init__(self) -> None:
        self.recent: dict[str, deque[float]] = {}
        self.ends: dict[str, float] = {}
        self.gaps: deque[float] = deque(maxlen=WINDOW)
        self.images, self.step = 0.0, 0.0
        self.scores, self.best = 0, (math.inf, 0.0)

    def add(self, line: Line) -> None:
        """Take in the next line."""
        self.images = line["images"]
        if {"g_update", "d_update"} <= {*line}:
            self._updates(line["step"] - self.step, line["g_update"], line["d_update"])
        self.step = line["step"]
        if BEST in line:
            self.scores += 1
            self.best = min(self.best, (line[BEST], self.images))
        if {"label_gap", "real_score", "fake_score"} <= {*line}:
            apart = abs(line["real_score"] - line["fake_score"])
            self.gaps.append(line["label_gap"] / max(1e-6, apart))
            if len(self.gaps) > 1:
                self._most("obeyed", statistics.median(self.gaps))
        if line["step"] < STEPS and NOT_FINITE not in line:
            return
        if {"held_out_d_loss", "train_d_loss", "real_score", "fake_score"} <= {*line}:
            line = {**line, "memorized": _memorized(line)}
        for name, value in line.items():
            self.recent.setdefault(name, deque(maxlen=WINDOW)).append(value)
        if {"lowest", "highest"} <= {*line}:
            self._most("darkest", -line["lowest"])
            self._most("brightest", line["highest"])

    def _updates(self, steps: float, g: float, d: float) -> None:
        """Take in how far the updates of some steps went, of G and of D."""
        each = ("moved", "g_fastest", g), ("d_moved", "d_fastest", d)
        for moved, fastest, update in each:
            self._most(fastest, update)
            self.ends[moved] = self.ends.get(moved, 0.0) + max(0.0, steps) * update

    def _most(self, name: str, value: float) -> None:
        self.ends[name] = max(value, self.ends.get(name, -math.inf))

    def numbers(self) -> dict[str, float]:
        """Return the numbers that rules judge; {} before `STEPS`."""
        if not self.recent:
            return {}
        numbers = {
            name: min(values) if name in LEAST else statistics.median(values)
            for name, values in self.recent.items()
        }
        if "g_fastest" in self.ends:
            g, d = self.ends["g_fastest"], self.ends["d_fastest"]
            numbers |= {"fastest": max(g, d), "lead": d / max(TINY, g)}
        contrast = min(1.0, max(TINY, numbers.get("value_range", CONTRAST)))
        for name, of in (("variety", "diversity"), ("class_variety", "class_diversity")):
            if of in numbers:
                numbers[name] = numbers[of] / contrast
        if len(self.recent.get("memorized", ())) == 1:  # by chance, maybe
            del numbers["memorized"]
        return {**self.ends, **numbers}

    def diagnosis(self, config: Config, texts: Mapping[str, str] = NO_TEXTS) -> Diagnosis:
        """Return what the numbers show so far; `texts` replace those of rules and `NOTES`.

        At most one primary disease is reported, and then no other, but overfitting and labels,
        which show whatever else is wrong.
        """
        numbers, notes = self.numbers(), {**NOTES, **texts}
        if not numbers:
            return Diagnosis(notes=[notes["early"].format(STEPS)], judged=False)
        numbers |= _of_configuration(config, numbers)
        held = [rule for rule in RULES if rule.applies(config) and _holds(rule, numbers)]
        if first := next((rule for rule in held if rule.primary), None):
            held = [first, *(rule for rule in held if rule.independent)]
        findings = [
            Finding(
                rule.code,
                rule.sentence(numbers, texts),
                rule.certainty,
                tuple(rule.remedy(config)),
                int(self.images),
            )
            for rule in held
        ]
        hidden = _unjudged(config, numbers, notes)
        return Diagnosis(findings, [*hidden, *self._saturated(notes)])

    def _saturated(self, texts: Mapping[str, str]) -> list[str]:
        """Return a note if scores have not improved in the second half of the run or longer."""
        _, images = self.best
        if self.scores < SCORED or images > GAINED * self.images:
            return []
        return [texts["saturated"].format(images, self.images, SCORED)]


def diagnose(
    lines: Sequence[Line], config: Config, texts: Mapping[str, str] = NO_TEXTS
) -> Diagnosis:
    """Return what the numbers of a log show at its end; `texts` replace those in English."""
    history = History()
    for line in lines:
        history.add(line)
    return history.diagnosis(config, texts)


def _memorized(line: Line) -> float:
    """Return the gap to held-out images less twice its error, as a part of D's separation."""
    apart = max(APART, abs(line["real_score"] - line["fake_score"]))
    gap = line["held_out_d_loss"] - line["train_d_loss"]
    return (gap - 2 * line.get("held_out_error", OLD_ERROR * apart)) / apart


def _of_configuration(config: Config, numbers: Numbers) -> dict[str, float]:
    """Return the numbers that depend on the configuration.

    `lead` is not below that of the learning rates: D's largest update may be in a few of a line's
    steps. D moves `d_steps` times in a step. `relief` is by how much adaptive augmentation that is
    at work can still become stronger, 0 without any.
    """
    found = {"relief": 0.0}
    g, d = config.rates
    if "lead" in numbers:
        found["lead"] = max(numbers["lead"], d / max(TINY, g))
        found["d_moved"] = numbers["d_moved"] * config.d_steps
    adaptive, strength = augmentation.parse(config.augment).adaptive, numbers.get(STRENGTH, 0.0)
    if adaptive and strength > EXHAUSTED:
        found["relief"] = adaptive.most - strength
    return found


def _holds(rule: Rule, numbers: Numbers) -> bool:
    return all(name in numbers for name in rule.needs) and rule.holds(numbers)


def _unjudged(config: Config, numbers: Numbers, texts: Mapping[str, str]) -> list[str]:
    """Return a note of the diseases that cannot be seen without numbers that the log lacks."""
    judged = [rule for rule in RULES if NOT_FINITE not in rule.needs and rule.applies(config)]
    hidden = [rule.code for rule in judged if not all(name in numbers for name in rule.needs)]
    if not hidden:
        return []
    return [texts["unjudged"].format(", ".join(hidden))]


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
    return Diagnosis(found.findings, [*notes, *found.notes], found.judged)
