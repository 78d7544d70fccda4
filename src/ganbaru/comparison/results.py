"""The results of a tournament: tables in Markdown and JSON, and a plot."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ganbaru import files
from ganbaru.comparison import contestants, plot, significance, training
from ganbaru.comparison.scheduling import ScheduledRun
from ganbaru.comparison.standings import Pair, Standings, standings
from ganbaru.comparison.training import Outcome
from ganbaru.config import Config
from ganbaru.errors import shortened
from ganbaru.formatting import (
    Brief,
    as_markdown,
    csv_table,
    html_picture,
    html_table,
    latex_table,
    with_interval,
)
from ganbaru.metrics.milestones import MEASURE
from ganbaru.metrics.passport import Evaluation, Passport, check_comparable

MARKDOWN, JSON, PLOT = "results.md", "results.json", "scores.png"
CSV, TEX = "results.csv", "results.tex"
ENOUGH = 6  # seeds for intervals that can reach 95 % coverage
OTHER_SCORES = ("precision", "recall", "density", "coverage", "class_kl", "label_accuracy")

Outcomes = dict[str, list[Outcome]]  # by contestant, in the order of seeds


@dataclass(frozen=True, repr=False)
class Result(Brief):
    """The standings of a tournament, its conditions and its files."""

    folder: Path
    standings: Standings
    outcomes: Outcomes
    conditions: list[str]  # in sentences

    def __repr__(self) -> str:
        means = self.standings.means.items()
        scores = (f"{shortened(name)}: {'none' if x is None else f'{x:.4g}'}" for name, x in means)
        return f"Result({str(self.folder)!r}, {shortened(', '.join(scores))})"

    def _repr_html_(self) -> str:
        """Return the table, what it supports, and the plot for notebooks."""
        text = "".join(f"<p>{html.escape(line)}</p>" for line in reading(self))
        plot = self.folder / PLOT
        drawn = html_picture(plot.read_bytes(), 800, "scores over images") if plot.is_file() else ""
        return html_table(*rows(self)) + text + drawn

    @property
    def files(self) -> list[Path]:
        """The tables and the plot."""
        return [self.folder / name for name in (MARKDOWN, JSON, CSV, TEX, PLOT)]


def publish(
    todo: Sequence[ScheduledRun], configs: Mapping[str, Config], seeds: int, folder: Path
) -> Result:
    """Compute the standings and write them into the tournament's folder."""
    found: Outcomes = {name: [] for name in configs}
    for entry in todo:
        if outcome := training.outcome(entry.folder):
            found[entry.name].append(outcome)
    check_comparable(
        *(
            Evaluation(name, {}, Passport(**one.passport), {}, {})
            for name, one in _runs(found)
            if not one.failed
        )
    )
    scores = {
        name: np.array([one.scores.get(MEASURE, np.inf) for one in each])
        for name, each in found.items()
    }
    result = Result(folder, standings(scores), found, _conditions(configs, seeds, found))
    plot.draw(found, result.standings.order, folder / PLOT)
    texts = {MARKDOWN: markdown(result), JSON: _json(result), CSV: _csv(result)}
    for name, text in (texts | {TEX: latex_table(*rows(result))}).items():
        files.write_text(folder / name, text)
    return result


def _runs(outcomes: Outcomes) -> Iterator[tuple[str, Outcome]]:
    """Yield each run's contestant and seed, and its outcome."""
    for name, each in outcomes.items():
        for seed, one in enumerate(each):
            yield f"{name}, seed {seed}", one


def _conditions(configs: Mapping[str, Config], seeds: int, found: Outcomes) -> list[str]:
    one = next(iter(configs.values()))
    budget = f"{60 * (one.minutes or 0):,g} seconds of training, evaluation not counted"
    if one.images:
        budget = f"{one.images:,} real images shown to D"
    runs = "one run (seed 0)" if seeds == 1 else f"{seeds} runs (seeds 0 to {seeds - 1})"
    differing = ", ".join(contestants.differing_fields(configs)) or "the preset's name"
    lines = [
        f"Each contestant has {runs} of {budget}.",
        f"They differ in: {differing}. With the same seed they have the same first weights where "
        f"shapes allow, the same latents, and the same batches unless the batch itself differs.",
    ]
    good = [one for _, one in _runs(found) if not one.failed]
    if good:
        passport = good[0].passport
        known = passport["scorer_accuracy"]
        accuracy = "" if known is None else f", accuracy {known:.1%} on unseen images"
        lines.append(
            f"The score is the Fréchet distance (lower is better) of {passport['fakes']:,} images "
            f"of the EMA generator at the end of a run to {passport['reals']:,} of "
            f"{passport['data']}; scorer {passport['scorer']}, "
            f"{passport['scorer_hash'][:12]}{accuracy}. "
            f"Real images ({passport['floor']}) get {good[0].floors[MEASURE]:.4g}."
        )
    return lines


# --- tables -----------------------------------------------------------------------------------


def rows(result: Result) -> tuple[list[str], list[list[str]]]:
    """Return the table's headings and its cells, the best contestant first."""
    scored = {score for _, one in _runs(result.outcomes) for score in one.scores}
    others = [name for name in OTHER_SCORES if name in scored]
    headings = [
        "",
        "contestant",
        "Fréchet distance",
        "worse than the best by",
        "p",
        "flips with it",
    ]
    headings += [*(name.replace("_", " ") for name in others), "images", "seconds"]
    ranked = enumerate(result.standings.order, 1)
    return headings, [_row(result, others, place, name) for place, name in ranked]


def _row(result: Result, others: Sequence[str], place: int, name: str) -> list[str]:
    outcomes, mean = result.outcomes[name], result.standings.means[name]
    good = [one for one in outcomes if not one.failed]
    failed = len(outcomes) - len(good)
    score = (
        "none"
        if mean is None
        else with_interval(mean, *(result.standings.intervals[name] or (None, None)))
    )
    score += f", {failed} of {len(outcomes)} diverged" if failed else ""
    numbers = [_mean([one.scores[other] for one in good], ".3f") for other in others]
    images, seconds = [one.images for one in good], [one.seconds for one in good]
    length = [_mean(images, ",.0f"), _mean(seconds, ",.1f")]
    return [str(place), name, score, *_behind(result, name), *numbers, *length]


def _behind(result: Result, name: str) -> list[str]:
    """Return a contestant's difference to the best with its interval, its p-value, its flips."""
    for pair in result.standings.pairs[: len(result.standings.order) - 1]:  # those of the best
        if pair.second == name and pair.difference is not None:
            interval = pair.interval and (-pair.interval[1], -pair.interval[0])
            flips = "" if pair.flips is None else f"{pair.flips:.2f}"
            p = "" if pair.p is None else f"{pair.p:.2g}"
            return [with_interval(-pair.difference, *(interval or (None, None))), p, flips]
    return ["", "", ""]


def _csv(result: Result) -> str:
    """Return a line for each run: its scores in full."""
    scored = dict.fromkeys(name for _, one in _runs(result.outcomes) for name in one.scores)
    lines = (
        [name, seed, one.images, one.seconds, one.failed, *(one.scores.get(s) for s in scored)]
        for name in result.standings.order
        for seed, one in enumerate(result.outcomes[name])
    )
    return csv_table(["contestant", "seed", "images", "seconds", "failed", *scored], lines)


def _mean(values: Sequence[float], form: str) -> str:
    return format(float(np.mean(values)), form) if values else ""


def reading(result: Result) -> list[str]:
    """Return what the seeds support, in sentences."""
    found, seeds = result.standings, len(next(iter(result.outcomes.values())))
    if found.winner_changes is None:
        return [f"One seed gives no ranking: use {significance.seeds_needed()} or more."]
    of_all = f"for all {len(found.pairs)} pairs and " if found.pairs[1:] else ""
    half = seeds // 2
    halves = f"two tournaments of {half} other seed{'s' * (half > 1)} each"
    return [
        *claims(found, seeds),
        f"p: the probability of a difference as clear as this between equal contestants, by exact "
        f"tests of paired seeds, adjusted {of_all}for choosing the "
        f"best after seeing the scores (Westfall and Young 1993). The smallest that {seeds} seeds "
        f"can reach is {significance.smallest_p(seeds):.2g}.",
        f"In brackets: 95 % bootstrap intervals over seeds, also of paired differences, each pair "
        f"by itself{_coverage(seeds)}.",
        f"A pair flips when {halves} rank it differently; of such, {found.winner_changes:.0%} have "
        f"different winners and {found.order_changes:.0%} different orders. Equal contestants "
        f"flip half of the time on average, but with few seeds often never.",
    ]


def claims(found: Standings, seeds: int) -> list[str]:
    """Return the claims about the best contestant at the 5 % level, or why there are none."""
    best, level = found.order[0], f"at the {significance.LEVEL:.0%} level"
    if seeds < significance.seeds_needed():
        return [
            f"Best in these runs: {best}. {seeds} seeds support no claim {level}: that takes "
            f"{significance.seeds_needed()} or more (give --seeds)."
        ]
    worse = [p.second for p in found.pairs if p.first == best and _significant(p)]
    open_ = [p.second for p in found.pairs if p.first == best and not _significant(p)]
    lines = [f"Claim {level}: {best} is better than {', '.join(worse)}."] if worse else []
    if open_:
        lines.append(f"Not shown to be worse than {best}: {', '.join(open_)}.")
    failed = [p.second for p in found.pairs if p.first == best and p.p is None]
    if failed:
        lines.append(f"Without a p-value, since a run of it failed: {', '.join(failed)}.")
    return lines


def _significant(pair: Pair) -> bool:
    return pair.p is not None and pair.p <= significance.LEVEL


def _coverage(seeds: int) -> str:
    """Return how far intervals from few seeds fall short, empty if they do not."""
    if seeds >= ENOUGH:
        return ""
    # All values are on one side of the median of their distribution once in 2**(n - 1) times.
    most = f"{1 - 0.5 ** (seeds - 1):.0%}"
    return f"; with {seeds} seeds they cover the true mean at most {most} of times"


def markdown(result: Result) -> str:
    """Return the result as Markdown."""
    headings, cells = rows(result)
    lines = ["# Tournament", "", *(f"{as_markdown(line)}\n" for line in result.conditions)]
    lines += [_line(headings), _line(["---"] * len(headings)), *map(_line, cells), ""]
    lines += [f"{as_markdown(line)}\n" for line in reading(result)]
    failed = [
        as_markdown(f"- {name}: {one.failed}") for name, one in _runs(result.outcomes) if one.failed
    ]
    lines += ["Failed:", "", *failed, ""] if failed else []
    return "\n".join([*lines, f"![Scores over images and over seconds]({PLOT})", ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(as_markdown, cells))} |"


def _json(result: Result) -> str:
    content = {
        "measure": MEASURE,
        "conditions": result.conditions,
        "reading": reading(result),
        "smallest_p": significance.smallest_p(len(next(iter(result.outcomes.values())))),
        **asdict(result.standings),
        "runs": {name: [asdict(one) for one in each] for name, each in result.outcomes.items()},
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
