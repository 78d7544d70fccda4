"""What a tournament found: a Markdown and a JSON table, and a plot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru import files
from ganbaru.comparison import contestants, plot, training
from ganbaru.comparison.scheduling import Entry
from ganbaru.comparison.standings import Interval, Standings, standings
from ganbaru.comparison.training import Outcome
from ganbaru.config import Config
from ganbaru.metrics.milestones import MEASURE

MARKDOWN, JSON, PLOT = "results.md", "results.json", "scores.png"
ENOUGH = 6  # seeds for intervals that can hold what they promise
ALSO = ("precision", "recall", "density", "coverage", "class_kl", "label_accuracy")  # if there

Outcomes = dict[str, list[Outcome]]  # by contestant, in the order of seeds


@dataclass(frozen=True)
class Result:
    """The standings of a tournament, what they rest on, and where they are written."""

    folder: Path
    standings: Standings
    outcomes: Outcomes
    conditions: list[str]  # in sentences

    @property
    def files(self) -> list[Path]:
        """The tables and the plot."""
        return [self.folder / name for name in (MARKDOWN, JSON, PLOT)]


def unfinished(todo: Sequence[Entry]) -> bool:
    """Say whether a run has no outcome yet."""
    return any(training.outcome(entry.folder) is None for entry in todo)


def publish(
    todo: Sequence[Entry], configs: Mapping[str, Config], seeds: int, folder: Path
) -> Result:
    """Work out the standings and write them into the tournament's folder."""
    found: Outcomes = {name: [] for name in configs}
    for entry in todo:
        ended = training.outcome(entry.folder)
        assert ended
        found[entry.name].append(ended)
    _check_comparable(found)
    scores = {
        name: np.array([_score(one, MEASURE) for one in each]) for name, each in found.items()
    }
    result = Result(folder, standings(scores), found, _conditions(configs, seeds, found))
    plot.curves(found, result.standings.order, folder / PLOT)
    for name, text in ((MARKDOWN, markdown(result)), (JSON, _json(result))):
        files.write_text(folder / name, text)
    return result


def _check_comparable(found: Outcomes) -> None:
    from ganbaru.metrics import Evaluation, Passport, check_comparable

    check_comparable(*(
        Evaluation(f"{name}, seed {seed}", {}, Passport(**one.passport), {}, {})
        for name, each in found.items()
        for seed, one in enumerate(each)
        if not one.failed
    ))  # fmt: skip


def _score(ended: Outcome, name: str) -> float:
    return ended.scores.get(name, np.inf)


def _conditions(configs: Mapping[str, Config], seeds: int, found: Outcomes) -> list[str]:
    one = next(iter(configs.values()))
    budget = f"{one.images:,} real images shown to D" if one.images else (
        f"{60 * (one.minutes or 0):,g} seconds of training, scoring not counted"
    )  # fmt: skip
    runs = "one run (seed 0)" if seeds == 1 else f"{seeds} runs (seeds 0 to {seeds - 1})"
    differing = ", ".join(contestants.differences(configs)) or "the preset's name"
    told = [
        f"Each contestant has {runs} of {budget}.",
        f"They differ in: {differing}. With the same seed they have the same first weights where "
        f"shapes allow, the same latents, and the same batches unless the batch itself differs.",
    ]
    good = [one for each in found.values() for one in each if not one.failed]
    if good:
        passport = good[0].passport
        known = passport["scorer_accuracy"]
        right = "" if known is None else f", {known:.1%} right on images it has not seen"
        told.append(
            f"The score is the Fréchet distance (lower is better) of {passport['fakes']:,} images "
            f"made by the averaged generator at the end of a run to {passport['reals']:,} of "
            f"{passport['data']}; scorer {passport['scorer']}, "
            f"{passport['scorer_hash'][:12]}{right}. "
            f"Real images ({passport['floor']}) get {good[0].floors[MEASURE]:.4g}."
        )
    return told


# --- tables -----------------------------------------------------------------------------------


def rows(result: Result) -> tuple[list[str], list[list[str]]]:
    """Return the table's headings and its cells, the best contestant first."""
    also = [name for name in ALSO if any(name in one.scores for one in _all(result))]
    headings = ["", "contestant", "Fréchet distance", "worse than the best by", "flips with it",
                *(name.replace("_", " ") for name in also), "images", "seconds"]  # fmt: skip
    cells = []
    for place, name in enumerate(result.standings.order, 1):
        good = [one for one in result.outcomes[name] if not one.failed]
        mean = result.standings.means[name]
        failed = len(result.outcomes[name]) - len(good)
        score = "none" if mean is None else _with(mean, result.standings.intervals[name])
        lost = f", {failed} of {len(result.outcomes[name])} diverged" * bool(failed)
        numbers = [_mean([one.scores[each] for one in good], ".3f") for each in also]
        spent = [_mean([one.images for one in good], ",.0f"),
                 _mean([one.seconds for one in good], ",.1f")]  # fmt: skip
        cells.append([str(place), name, score + lost, *_behind(result, name), *numbers, *spent])
    return headings, cells


def _behind(result: Result, name: str) -> list[str]:
    """Return a contestant's difference to the best with its interval, and how often both flip."""
    found = [pair for pair in result.standings.pairs
             if (pair.first, pair.second) == (result.standings.order[0], name)]  # fmt: skip
    if not found or found[0].difference is None:
        return ["", ""]
    (pair,) = found
    assert pair.difference is not None
    turned = None if pair.interval is None else (-pair.interval[1], -pair.interval[0])
    return [_with(-pair.difference, turned), _share(pair.flips)]


def _with(value: float, interval: Interval | None) -> str:
    return f"{value:.4g}" + (f" [{interval[0]:.4g}, {interval[1]:.4g}]" if interval else "")


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _mean(values: Sequence[float], form: str) -> str:
    return format(float(np.mean(values)), form) if values else ""


def _all(result: Result) -> list[Outcome]:
    return [one for each in result.outcomes.values() for one in each]


def reading(result: Result) -> list[str]:
    """Say how sure the ranking is."""
    found, seeds = result.standings, len(next(iter(result.outcomes.values())))
    if found.winner_changes is None:
        return ["One seed says nothing about others: a ranking needs two or more, better five."]
    half = seeds // 2
    each = f"two tournaments of {half} other seed{'s' * (half > 1)} each"
    return [
        f"Best: {found.order[0]}. Of {each}, {found.winner_changes:.0%} have different winners and "
        f"{found.order_changes:.0%} different orders.",
        "In brackets: 95 % bootstrap intervals over seeds, of paired differences too, each pair by "
        f"itself. A pair flips when {each} rank it differently: 0 is sure, 0.5 is a coin.",
        *([_few(seeds)] if seeds < ENOUGH else []),
    ]


def _few(seeds: int) -> str:
    # All values lie on one side of the median of their law once in 2**(n - 1) times.
    most = 1 - 0.5 ** (seeds - 1)
    return f"With {seeds} seeds an interval holds the true mean {most:.0%} of the time at most."


def markdown(result: Result) -> str:
    """Return the result as Markdown."""
    headings, cells = rows(result)
    lines = ["# Tournament", "", *(f"{told}\n" for told in result.conditions)]
    lines += [_line(headings), _line(["---"] * len(headings)), *map(_line, cells), ""]
    lines += [f"{told}\n" for told in reading(result)]
    failed = [f"- {name}, seed {seed}: {one.failed}" for name, each in result.outcomes.items()
              for seed, one in enumerate(each) if one.failed]  # fmt: skip
    lines += ["Failed:", "", *failed, ""] if failed else []
    return "\n".join([*lines, f"![Scores over images and over seconds]({PLOT})", ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _json(result: Result) -> str:
    found = result.standings
    told: dict[str, Any] = {
        "measure": MEASURE,
        "conditions": result.conditions,
        "reading": reading(result),
        "order": found.order,
        "means": found.means,
        "intervals": found.intervals,
        "winner_changes": found.winner_changes,
        "order_changes": found.order_changes,
        "pairs": [asdict(pair) for pair in found.pairs],
        "runs": {name: [asdict(one) for one in each] for name, each in result.outcomes.items()},
    }
    return json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
