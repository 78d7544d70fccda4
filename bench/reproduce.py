"""The reproduction book: published claims, each tried at a tiny scale with its verdict.

python -m bench.reproduce               lists the claims and their verdicts
python -m bench.reproduce NAME ...      runs the tiny scale of these and updates their pages
python -m bench.reproduce --pages       writes all pages again

Pages are made of the descriptions and measurements in `recipes/claims`; a verdict is computed from
the scores of all runs, never written by hand. The tiny scale is a tournament of `ganbaru compare`.
A run that was stopped goes on with the same command.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ganbaru import files
from ganbaru.cli.main import main as ganbaru_command
from ganbaru.comparison import significance, standings
from ganbaru.errors import quoted
from ganbaru.formatting import with_interval
from ganbaru.metrics.definitions import METRICS

from . import reporting
from .claims import (
    CLAIMS,
    ROOT,
    SUPPORTED,
    UNSUPPORTED,
    UNTESTABLE,
    Claim,
    Measurement,
    Tiny,
    command,
    judge,
    measurement,
    names,
    read,
    verdict,
)
from .roofline import core_count

PAGES = ROOT / "docs" / "reproductions"

# --- measuring --------------------------------------------------------------------------------


def measure(name: str, tiny: Tiny) -> Measurement | None:
    """Run the tiny scale, or go on with it; None if it was stopped."""
    words, start = command(name, tiny), time.process_time()
    resumed = any(Path(words[-1]).glob("*/*/config.yaml"))
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
        commit=reporting.commit(),
        cores=core_count(),
        seconds=None if resumed else round(time.process_time() - start, 1),
        command=quoted("ganbaru", *words),
        images=tiny.images,
        scores=scores,
    )


# --- pages ------------------------------------------------------------------------------------


def page(name: str, claim: Claim, found: Measurement | None) -> str:
    """Return the page of a claim as Markdown."""
    parts = [f"# {claim.title}", f"**Verdict: {verdict(claim, found)}.**", claim.claim.strip()]
    parts.append(f"*Source:* {claim.source.strip()}")
    if claim.slips:
        parts += ["*Known slips:*", "\n".join(f"- {each}" for each in claim.slips)]
    parts += ["## Full scale", f"```sh\n{claim.full.strip()}\n```"]
    parts.append(f"*Published:* {claim.expected.strip()}")
    parts += ["## Tiny scale", f"`make reproduce NAME={name}` runs"]
    parts.append(f"```sh\n{quoted('ganbaru', *command(name, claim.tiny))}\n```")
    parts += _measured(claim.tiny, found) if found else ["Not measured yet."]
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
    time_taken = "" if found.seconds is None else f"{found.seconds:,.0f} s of the processor for "
    how = (
        f"{found.date}, commit {found.commit}, {found.cores} cores beside other work, "
        f"{time_taken}{seeds * len(found.scores)} runs of {found.images:,} images. Means over "
        f"{seeds} seeds with 95 % intervals; p adjusted for the claim's statements, {least:.2g} at "
        f"least."
    )
    return [
        how,
        reporting.grid(["contestant", *titles], rows),
        reporting.grid(["statement", "by", "p", "seeds say"], judged),
    ]


def _interval(values: Sequence[float | None]) -> str:
    good = np.array([value for value in values if value is not None], np.float64)
    failed = len(values) - len(good)
    text = "none"
    if len(good):
        text = with_interval(float(good.mean()), *(standings.interval(good) or (None, None)))
    return text + (f", {failed} of {len(values)} failed" if failed else "")


INTRODUCTION = f"""# Reproductions

Published claims about GANs, each with its source, its known slips, the command at full scale, and a
tiny scale that a CPU core runs in a minute or two: `make reproduce NAME=...`. A verdict is about
the tiny scale alone, which is far from the published one in data, size and length:

- *{SUPPORTED}* the claim: every statement tested holds at the 5 % level over
  paired seeds;
- *{UNSUPPORTED}*: at least one does not, or the seeds say the opposite. That is no refutation;
- *{UNTESTABLE}*: nothing that this scale can decide follows from the claim.
"""


def index() -> str:
    """Return the page that lists all claims."""
    rows = []
    for name in names():
        claim, found = read(name), measurement(name)
        judged = judge(claim.tiny, found) if found else []
        held = sum(one.verdict == "supported" for one in judged)
        statements = f"{held} of {len(judged)}" if judged else ""
        source = claim.source.partition(",")[0]
        rows.append([f"[{claim.title}]({name}.md)", source, statements, verdict(claim, found)])
    headings = ["claim", "source", "statements supported", "verdict at the tiny scale"]
    return f"{INTRODUCTION}\n{reporting.grid(headings, rows)}\n"


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
        found = measure(name, read(name).tiny)
        if found is None:
            return 1  # stopped: the same command goes on
        files.write_json(CLAIMS / f"{name}.json", asdict(found))
    for name in wanted.names or names():
        print(f"{name:20} {verdict(read(name), measurement(name))}")
    for file, text in pages().items() if wanted.names or wanted.pages else ():
        files.write_text(PAGES / file, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
