"""The curves of a run as data: titles and lines of its charts, for any way of drawing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ganbaru.metrics.passport import Evaluation

Points = Sequence[tuple[float, float]]
Log = Sequence[Mapping[str, float]]

# Labels in English; other languages have the same keys.
WORDS = {
    "axis": "real images seen",
    "losses": "Losses",
    "discriminator": "discriminator",
    "generator": "generator",
    "held_out": "held out",
    "trained_on": "training images, same moment",
    "logits": "Mean logits of the discriminator",
    "real": "real",
    "fake": "fake",
    "frechet": "Fréchet distance (lower is better)",
    "shares": "Precision and recall",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "real_images": "real images",
}
LOSSES = {"d_loss": ("discriminator", "one"), "g_loss": ("generator", "two")}
MOMENTS = (("held_out_", "held_out", "dotted"), ("train_", "trained_on", "dashed"))
LOGITS = {"real_score": ("real", "one"), "fake_score": ("fake", "two")}
DISTANCE = {"frechet": ("generator", "three")}
SHARES = {"precision": ("precision", "one"), "recall": ("recall", "two")}
ALL_SHARES = {**SHARES, "density": ("density", "four"), "coverage": ("coverage", "five")}

Keys = Mapping[str, tuple[str, str]]  # keys of log lines to a key of WORDS and a colour


@dataclass(frozen=True)
class Line:
    """A line of a chart; `band` are the ends of an interval at each point, if any."""

    name: str
    points: Points
    color: str  # a class of the page's style sheet
    style: str = "solid"  # or dotted, dashed
    band: Points = ()


@dataclass(frozen=True)
class Chart:
    """A chart: its title, what is on the horizontal axis, and its lines."""

    title: str
    axis: str
    lines: list[Line]


def curves(
    log: Log,
    baselines: Mapping[str, float],
    words: Mapping[str, str] = WORDS,
    shares: Keys = SHARES,
) -> dict[str, Chart]:
    """Return the charts "losses", "logits", "frechet" and "shares" that have two points or more."""
    # The gap between these two is overfitting: LOSSES are means over steps, these of one moment.
    pair = [
        Line(f"{line.name} ({words[word]})", line.points, line.color, style)
        for prefix, word, style in MOMENTS
        for line in _lines(log, {f"{prefix}{key}": value for key, value in LOSSES.items()}, words)
    ]
    groups = {
        "losses": [*_lines(log, LOSSES, words), *pair],
        "logits": _lines(log, LOGITS, words),
        "frechet": _with_baselines(log, DISTANCE, words, baselines),
        "shares": _with_baselines(log, shares, words, baselines),
    }
    return {
        name: Chart(words[name], words["axis"], lines)
        for name, lines in groups.items()
        if any(len(line.points) > 1 for line in lines)
    }


def _lines(log: Log, keys: Keys, words: Mapping[str, str]) -> list[Line]:
    return [
        Line(words[word], [(x["images"], x[key]) for x in log if key in x], color)
        for key, (word, color) in keys.items()
    ]


def _with_baselines(
    log: Log, keys: Keys, words: Mapping[str, str], baselines: Mapping[str, float]
) -> list[Line]:
    """Return the lines of scores, and dotted ones for what real images get."""
    lines = _lines(log, keys, words)
    if any(len(line.points) < 2 for line in lines):
        return []
    first, *_, last = (images for images, _ in lines[0].points)
    real = [
        Line(
            f"{line.name} ({words['real_images']})" if len(keys) > 1 else words["real_images"],
            [(first, baselines[key]), (last, baselines[key])],
            line.color,
            "dotted",
        )
        for line, key in zip(lines, keys, strict=True)
        if key in baselines
    ]
    return [*lines, *real]


def evaluated(scores: Sequence[Evaluation], words: Mapping[str, str] = WORDS) -> dict[str, Chart]:
    """Return the chart "frechet" of checkpoints that were evaluated with the newest passport."""
    found = {
        float(one.origin["checkpoint"]): one.scores["frechet"]
        for one in scores
        if one.passport == scores[-1].passport
        and str(one.origin.get("checkpoint")).isdecimal()
        and "frechet" in one.scores
    }
    floors = {name: score.floor for name, score in scores[-1].scores.items()} if scores else {}
    log = [{"images": images, "frechet": found[images].value} for images in sorted(found)]
    return curves(log, floors, words)
