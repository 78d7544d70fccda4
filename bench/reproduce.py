"""The reproduction book: published claims, each tried at a tiny scale with its verdict.

python -m bench.reproduce               lists the claims and their verdicts
python -m bench.reproduce NAME ...      runs the tiny scale of these and updates their pages
python -m bench.reproduce --pages       writes all pages again

A claim is `recipes/claims/NAME.yaml`, its last measurement `NAME.json` beside it. Pages are made of
both; a verdict is computed from the scores of all runs, never written by hand. The tiny scale is a
tournament of `ganbaru compare`, and a statement is judged by its exact test over paired seeds,
adjusted for all statements of the claim. A run that was stopped goes on with the same command.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganbaru import files, records
from ganbaru.cli.main import main as ganbaru_command
from ganbaru.comparison import significance, standings
from ganbaru.errors import InputError, quoted
from ganbaru.formatting import with_interval
from ganbaru.metrics.definitions import HIGHER, METRICS

from . import reporting
from .roofline import core_count

ROOT = Path(__file__).resolve().parents[1]
CLAIMS, PAGES = ROOT / "recipes" / "claims", ROOT / "docs" / "reproductions"
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
        if isinstance(self.than, float):
            return f"{self.better}: {title} {'above' if higher else 'below'} {self.than:g}"
        if isinstance(self.better, float):
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
    slips: list[str] = field(default_factory=list)
    tiny: Tiny | None = None
    elsewhere: str = ""  # larger runs that were measured


@dataclass(frozen=True)
class Measurement:
    """The scores of every run, by contestant and score, in the order of seeds; when and how."""

    date: str
    commit: str
    cores: int
    seconds: float  # of the processor
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


def read(name: str, folder: Path = CLAIMS) -> Claim:
    """Read a description; raises InputError for one that says what cannot be tested."""
    path = folder / f"{name}.yaml"
    claim = records.check(records.read_yaml(path, REMEDY), Claim, path, REMEDY)
    if tiny := claim.tiny:
        for one in tiny.statements:
            for side in (one.better, one.than):
                if isinstance(side, str) and side not in tiny.contestants:
                    known = ", ".join(tiny.contestants)
                    raise InputError(f"{path}: {side!r} is no contestant: name one of {known}.")
            if one.score not in METRICS:
                raise InputError(f"{path}: {one.score!r} is no score: use {', '.join(METRICS)}.")
    return claim


def measurement(name: str, folder: Path = CLAIMS) -> Measurement | None:
    """Return the last measurement of a claim, None without one of the command as it is now."""
    path, tiny = folder / f"{name}.json", read(name, folder).tiny
    if tiny is None or not path.exists():
        return None
    found = records.read(path, Measurement, f"Measure again: make reproduce NAME={name}")
    return found if found.command == quoted("ganbaru", *command(name, tiny)) else None


# --- measuring --------------------------------------------------------------------------------


def command(name: str, tiny: Tiny) -> list[str]:
    """Return the arguments of `ganbaru` that measure a claim at the tiny scale."""
    budget = {"images": tiny.images, "evaluate-every": tiny.images, "seeds": tiny.seeds}
    budget["evaluate-images"] = tiny.evaluate_images
    flags = [word for key, value in budget.items() for word in (f"--{key}", str(value))]
    folder = ["-o", f"runs/reproduce/{name}"]
    return ["compare", *tiny.contestants.values(), *shlex.split(tiny.options), *flags, *folder]


def measure(name: str, tiny: Tiny) -> Measurement | None:
    """Run the tiny scale, or go on with it; None if it was stopped."""
    words, start = command(name, tiny), time.process_time()
    if ganbaru_command(words):
        return None
    found = json.loads((Path(words[-1]) / "results.json").read_text(encoding="utf-8"))["runs"]
    scored = dict.fromkeys(["frechet", *(one.score for one in tiny.statements)])
    scores: dict[str, dict[str, list[float | None]]] = {
        label: {score: [one["scores"].get(score) for one in runs] for score in scored}
        for label, runs in zip(tiny.contestants, found.values(), strict=True)
    }
    return Measurement(
        date=datetime.date.today().isoformat(),
        commit=reporting._commit(),
        cores=core_count(),
        seconds=round(time.process_time() - start, 1),
        command=quoted("ganbaru", *words),
        images=tiny.images,
        scores=scores,
    )


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
    if not claim.tiny or not claim.tiny.statements:
        return UNTESTABLE
    if found is None:
        return "not measured yet"
    runs = min(len(each) for scores in found.scores.values() for each in scores.values())
    if runs < significance.seeds_needed():
        return UNTESTABLE
    judged = judge(claim.tiny, found)
    return SUPPORTED if all(one.verdict == "supported" for one in judged) else UNSUPPORTED


# --- pages ------------------------------------------------------------------------------------


def page(name: str, claim: Claim, found: Measurement | None) -> str:
    """Return the page of a claim as Markdown."""
    parts = [f"# {claim.title}", f"**Verdict: {verdict(claim, found)}.**", claim.claim.strip()]
    parts.append(f"*Source:* {claim.source.strip()}")
    if claim.slips:
        parts += ["*Known slips:*", "\n".join(f"- {each}" for each in claim.slips)]
    parts += ["## Full scale", f"```sh\n{claim.full.strip()}\n```"]
    parts.append(f"*Published:* {claim.expected.strip()}")
    if tiny := claim.tiny:
        parts += ["## Tiny scale", f"`make reproduce NAME={name}` runs"]
        parts.append(f"```sh\n{quoted('ganbaru', *command(name, tiny))}\n```")
        parts += _measured(tiny, found) if found else ["Not measured yet."]
    parts += ["## What stays open", claim.limits.strip()]
    if claim.elsewhere:
        parts += ["## Larger runs", claim.elsewhere.strip()]
    source = f"recipes/claims/{name}.yaml"
    parts.append(f"*This page is made of [{source}](../../{source}) by `bench/reproduce.py`.*")
    return "\n\n".join(parts) + "\n"


def _measured(tiny: Tiny, found: Measurement) -> list[str]:
    """Return how the scores were measured, and the tables of scores and of statements."""
    scored = next(iter(found.scores.values()))
    titles = [METRICS[score].title for score in scored]
    rows = [
        [label, *(_interval(each) for each in scores.values())]
        for label, scores in found.scores.items()
    ]
    judged = [
        [str(one.statement), one.by, "" if one.p is None else f"{one.p:.2g}", one.verdict]
        for one in judge(tiny, found)
    ]
    seeds = len(next(iter(scored.values())))
    least = significance.smallest_p(seeds)
    how = (
        f"{found.date}, commit {found.commit}, {found.cores} cores beside other work, "
        f"{found.seconds:,.0f} s of the processor for {seeds * len(found.scores)} runs of "
        f"{found.images:,} images. Means over {seeds} seeds with 95 % intervals; p adjusted for "
        f"the claim's statements, {least:.2g} at least."
    )
    return [
        how,
        _table(["contestant", *titles], rows),
        _table(["statement", "by", "p", "seeds say"], judged),
    ]


def _interval(values: Sequence[float | None]) -> str:
    good = np.array([value for value in values if value is not None], np.float64)
    failed = len(values) - len(good)
    text = "none"
    if len(good):
        text = with_interval(float(good.mean()), *(standings.interval(good) or (None, None)))
    return text + (f", {failed} of {len(values)} failed" if failed else "")


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


INTRODUCTION = f"""# Reproductions

Published claims about GANs, each with its source, its known slips, the command at full scale, and a
tiny scale that a CPU core runs in a minute or two: `make reproduce NAME=...`. A verdict is about
the tiny scale alone, which is far from the published one in data, size and length:

- *{SUPPORTED}* the claim: every statement tested holds at the {significance.LEVEL:.0%} level over
  paired seeds;
- *{UNSUPPORTED}*: at least one does not, or the seeds say the opposite. That is no refutation;
- *{UNTESTABLE}*: nothing that this scale can decide follows from the claim.
"""


def index() -> str:
    """Return the page that lists all claims."""
    rows = []
    for name in names():
        claim, found = read(name), measurement(name)
        judged = judge(claim.tiny, found) if claim.tiny and found else []
        held = sum(one.verdict == "supported" for one in judged)
        statements = f"{held} of {len(judged)}" if judged else ""
        source = claim.source.split(".")[0].strip()
        rows.append([f"[{claim.title}]({name}.md)", source, statements, verdict(claim, found)])
    headings = ["claim", "source", "statements supported", "verdict at the tiny scale"]
    return f"{INTRODUCTION}\n{_table(headings, rows)}\n"


def pages() -> dict[str, str]:
    """Return the text of every page by its file's name."""
    made = {f"{name}.md": page(name, read(name), measurement(name)) for name in names()}
    return {**made, "index.md": index()}


def main(arguments: Sequence[str] | None = None) -> int:
    """List claims, measure the named ones, or write all pages."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m bench.reproduce", description=__doc__, formatter_class=form
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names()))
    parser.add_argument("--pages", action="store_true", help="only write the pages again")
    wanted = parser.parse_args(arguments)
    if unknown := set(wanted.names) - set(names()):
        parser.error(f"unknown claim {min(unknown)!r}: choose from {', '.join(names())}")
    for name in wanted.names:
        claim = read(name)
        if not claim.tiny:
            print(f"{name}: {UNTESTABLE}. {claim.limits.strip()}")
        elif found := measure(name, claim.tiny):
            files.write_json(CLAIMS / f"{name}.json", asdict(found))
        else:
            return 1  # stopped: the same command goes on
    for name in wanted.names or names():
        print(f"{name:20} {verdict(read(name), measurement(name))}")
    for file, text in pages().items() if wanted.names or wanted.pages else ():
        files.write_text(PAGES / file, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
