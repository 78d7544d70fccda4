"""The command that scores a run or a set of images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganbaru.cli import options, tables
from ganbaru.cli.evaluation_options import add_entrant, entrant

if TYPE_CHECKING:
    from rich.table import Table

    from ganbaru.metrics import Evaluation, Score


def _parser() -> options.Parser:
    parser = options.Parser("evaluate", "Score a run, or images of your own, against real images.")
    add_entrant(
        parser,
        data="real images: a known set or a path; else a run's own",
        number="how many images; else up to 10,000, as many as there are real ones to compare with",
    )
    parser.add_argument("--scorer", type=str, default="auto",
                        help="classifier (trained on the data, kept), random (five networks, no "
                        "labels needed), inception, or auto: classifier if labelled")  # fmt: skip
    parser.add_argument("--weights", type=str, default=None, metavar="PATH",
                        help="the file of Inception's weights")  # fmt: skip
    return parser


def evaluate(arguments: Sequence[str]) -> None:
    """Score, and print a table or JSON."""
    wanted = _parser().parse_args(list(arguments))
    from ganbaru import data, metrics

    with data.progress_bar() as progress:
        found = metrics.evaluate(
            wanted.what, wanted.data, scorer=wanted.scorer, weights=wanted.weights,
            progress=progress, **entrant(wanted),
        )  # fmt: skip
    if wanted.json:
        print(json.dumps(found.to_json(), indent=1, ensure_ascii=False))
        return
    tables.show(_table(found))
    print("\n".join(_told(found)))


def _table(found: Evaluation) -> Table:
    from rich.table import Table

    from ganbaru.metrics import METRICS

    table = Table("score", "value", "95 % interval", "real images", "better", "what it means",
                  box=None, padding=(0, 2, 0, 0))  # fmt: skip
    for column in table.columns[1:4]:
        column.justify = "right"
    for name, score in found.scores.items():
        metric = METRICS[name]
        interval = f"{_number(score.low)} to {_number(score.high)}"
        row = (_value(score), interval, _number(score.floor), metric.better, metric.meaning)
        table.add_row(metric.title, *row)
    return table


def _value(score: Score) -> str:
    spread = "" if score.spread is None else f" (nets ± {_number(score.spread)})"
    return _number(score.value) + spread


def _number(value: float) -> str:
    """Show four digits, none of them of an exponent."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}"


def _told(found: Evaluation) -> list[str]:
    """Say in sentences what the numbers depend on."""
    passport = found.passport
    known = passport.scorer_accuracy
    right = "" if known is None else f", {known:.1%} right on images it has not seen"
    lines = [
        "",
        f"{passport.fakes:,} images of {found.subject} against {passport.reals:,} of "
        f"{passport.data} ({passport.reference}); {found.seconds:.0f} s",
        f"scorer    {passport.scorer}, {passport.scorer_hash[:12]}{right}",
        f"images    {passport.resize}",
        f"interval  {passport.interval}",
        f"real      what {passport.floor} get in the fakes' place: as good as it gets",
    ]
    if found.classes and len(found.classes) <= 20:
        shares = (f"{name} {fake:.1%} ({real:.1%})" for name, (fake, real) in found.classes.items())
        lines.append(f"classes   made (real): {', '.join(shares)}")
    return [*lines, *(f"note      {note}" for note in found.notes)]
