"""The curves of a run: losses, logits, and scores where there are any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ganbaru.metrics.milestones import MEASURE
from ganbaru.report.chart import Line, chart
from ganbaru.report.facts import Facts
from ganbaru.report.markup import Markup

# The English labels; the service has them in other languages as well.
LABELS = {
    "losses": "Losses",
    "discriminator": "discriminator",
    "generator": "generator",
    "held_out": "held out",
    "logits": "Mean logits of the discriminator",
    "real": "real",
    "fake": "fake",
    "real_images": "real images",
    "distances": "Fréchet distance (lower is better)",
    "shares": "Precision and recall",
    "precision": "precision",
    "recall": "recall",
    "axis": "real images seen",
}
# The curves of each chart: a name in the log, a label, and a colour of the style sheet.
CHARTS = {
    "losses": [("d_loss", "discriminator", "one"), ("g_loss", "generator", "two")],
    "logits": [("real_score", "real", "one"), ("fake_score", "fake", "two")],
    "distances": [(MEASURE, "generator", "two")],
    "shares": [("precision", "precision", "one"), ("recall", "recall", "two")],
}
Log = Sequence[Mapping[str, float]]
Points = list[tuple[float, float]]
Names = Sequence[tuple[str, str, str]]


def curves(log: Log, baselines: Mapping[str, float], labels: Mapping[str, str]) -> list[Markup]:
    """Return the charts of a log that have at least two points.

    Dotted are losses on held-out images, and `baselines`: the scores of real images.
    """
    return [
        chart(labels[title], _lines(log, baselines, labels, names), labels["axis"])
        for title, names in CHARTS.items()
        if any(len(_points(log, name)) > 1 for name, _, _ in names)
    ]


def _lines(
    log: Log, baselines: Mapping[str, float], labels: Mapping[str, str], names: Names
) -> list[Line]:
    whole, dotted = [], []
    for name, label, colour in names:
        points, text = _points(log, name), labels[label]
        whole.append(Line(text, points, colour))
        ends = [*points[:1], *points[-1:]] if name in baselines else []
        real = [(images, baselines[name]) for images, _ in ends]
        for kind, dots in (("held_out", _points(log, f"held_out_{name}")), ("real_images", real)):
            dotted.append(Line(f"{text} ({labels[kind]})", dots, colour, dotted=True))
    return [*whole, *dotted]


def _points(log: Log, name: str) -> Points:
    return [(line["images"], line[name]) for line in log if name in line]


def charts(facts: Facts) -> list[Markup]:
    """Return the charts of a report, with the scores of its log or else of `ganbaru evaluate`."""
    found = curves(facts.log, facts.floors, LABELS)
    return found if len(_points(facts.log, MEASURE)) > 1 else [*found, *_evaluated(facts)]


def _evaluated(facts: Facts) -> list[Markup]:
    """Chart the scores of a run's checkpoints that were evaluated like the newest."""
    if not facts.scores:
        return []
    newest = facts.scores[-1].passport
    alike = [one for one in facts.scores if one.passport == newest and "checkpoint" in one.origin]
    points = sorted(
        (float(one.origin["checkpoint"]), one.scores[MEASURE])
        for one in alike
        if MEASURE in one.scores
    )
    if len({images for images, _ in points}) < 2:
        return []
    lines = [
        Line(LABELS["generator"], [(images, score.value) for images, score in points], "two"),
        Line(
            LABELS["real_images"],
            [(images, score.floor) for images, score in points],
            "one",
            dotted=True,
        ),
    ]
    return [chart(LABELS["distances"], lines, LABELS["axis"])]
