"""The curves of a run: losses and logits, and the scores where there are any."""

from __future__ import annotations

from ganbaru.metrics.definitions import MEASURES
from ganbaru.metrics.milestones import MEASURE
from ganbaru.report.chart import Line, chart
from ganbaru.report.facts import Facts
from ganbaru.report.markup import Markup

IMAGES = "real images shown"  # what charts are over


def charts(facts: Facts) -> list[Markup]:
    """Return the charts of a log of two lines or more."""
    losses = [("d_loss", "discriminator", "one"), ("g_loss", "generator", "two")]
    scores = [("real_score", "real", "one"), ("fake_score", "fake", "two")]
    return [
        chart("Losses", [*_lines(facts, losses), *_lines(facts, losses, "held_out_")], IMAGES),
        chart("Mean logits of the discriminator", _lines(facts, scores), IMAGES),
        *_scores(facts),
    ]


def _lines(facts: Facts, names: list[tuple[str, str, str]], before: str = "") -> list[Line]:
    return [
        Line(f"{text}{', held out' if before else ''}",
             [(x["images"], x[before + name]) for x in facts.log if before + name in x],
             colour, dotted=bool(before))
        for name, text, colour in names
    ]  # fmt: skip


def _scores(facts: Facts) -> list[Markup]:
    """Chart the scores in the log, or those of checkpoints that were evaluated alike."""
    scored = [line for line in facts.log if MEASURE in line]
    if len(scored) < 2 or not facts.floors:
        return _evaluated(facts)
    distances, shares = [(MEASURE, "two")], [("precision", "one"), ("recall", "two")]
    return [
        chart(
            "Fréchet distance (lower is better)", _scored(scored, facts.floors, distances), IMAGES
        ),
        chart("Precision and recall", _scored(scored, facts.floors, shares), IMAGES),
    ]


def _scored(
    scored: list[dict[str, float]], floors: dict[str, float], names: list[tuple[str, str]]
) -> list[Line]:
    """Return each score's line, and a dotted one for what real images get."""
    made = [Line(MEASURES[name].title, [(x["images"], x[name]) for x in scored if name in x],
                 colour)
            for name, colour in names]  # fmt: skip
    ends = scored[0]["images"], scored[-1]["images"]
    real = [Line(f"{MEASURES[name].title} of real images", [(x, floors[name]) for x in ends],
                 colour, dotted=True) for name, colour in names]  # fmt: skip
    return [*made, *real]


def _evaluated(facts: Facts) -> list[Markup]:
    if not facts.scores:
        return []
    newest = facts.scores[-1].passport
    alike = [one for one in facts.scores if one.passport == newest and "checkpoint" in one.origin]
    points = sorted((float(one.origin["checkpoint"]), one.scores["frechet"]) for one in alike
                    if "frechet" in one.scores)  # fmt: skip
    if len({images for images, _ in points}) < 2:
        return []
    lines = [
        Line("generator", [(images, score.value) for images, score in points], "two"),
        Line("real images", [(images, score.floor) for images, score in points], "one", True),
    ]
    return [chart("Fréchet distance (lower is better)", lines, IMAGES)]
