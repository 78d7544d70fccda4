"""`ganbaru evaluate`: scores of a run or a set of images, with confidence intervals."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganbaru.cli.evaluation_options import add_candidate, candidate
from ganbaru.cli.parser import Parser, add_output
from ganbaru.cli.tables import show_rows
from ganbaru.errors import pick
from ganbaru.formatting import csv_table, latex_table, number, say, say_json, with_interval

if TYPE_CHECKING:
    from ganbaru.metrics import Evaluation, Score

_number = functools.partial(number, form=".4f")  # without an exponent
HEADINGS = ("score", "value", "95 % interval", "real images", "better", "what it means")


def _parser() -> Parser:
    parser = Parser("evaluate", "Score a run, or images of your own, against real images.")
    add_candidate(
        parser,
        data="the real images: a known set or a path; else the run's own",
        number="how many images; else up to 10,000, as many as there are real ones to compare with",
    )
    scorer = (
        "the feature network: classifier (trained on the data, then cached), random (five "
        "networks, no labels needed), efficientnet (ImageNet's features), inception, a FILE.onnx, "
        "or auto: efficientnet for colour images if installed, else classifier if labelled"
    )
    parser.option("--scorer", scorer, "auto")
    parser.option(
        "--fake-labels",
        "labels given to a conditional generator: shares (of the data's classes) or uniform",
        "shares",
        metavar="RULE",
    )
    parser.option("--weights", "the file of Inception's weights", metavar="PATH")
    add_output(parser, "also write the table: a name in .csv or .tex (LaTeX)", None, "FILE")
    return parser


def evaluate(arguments: Sequence[str]) -> None:
    """Score, and print a table or JSON."""
    args = _parser().parse_args(arguments)
    from ganbaru import data, files, metrics
    from ganbaru.metrics import milestones

    table = Path(args.output) if args.output else None
    if table:
        make = pick("table format", table.suffix, TABLES)
        table = files.output(table, args.overwrite)

    with data.progress_bar() as progress:
        found = metrics.evaluate(
            args.what,
            args.data,
            scorer=args.scorer,
            weights=args.weights,
            fake_labels=args.fake_labels,
            progress=progress,
            **candidate(args),
        )
    if table:
        files.write_text(table, make(found))
    if args.json:
        say_json(found.to_json())
        return
    say(*milestones.chosen(args.what, args.checkpoint))
    show_rows(HEADINGS, _rows(found), right=(1, 2, 3))
    say(*_conditions(found))


def _rows(found: Evaluation) -> Iterator[Sequence[str]]:
    from ganbaru.metrics import METRICS

    for name, score in found.scores.items():
        metric = METRICS[name]
        interval, floor = score.interval(_number), _number(score.floor)
        yield metric.title, _value(score), interval, floor, metric.better, metric.meaning


def _csv(found: Evaluation) -> str:
    from ganbaru.metrics import METRICS

    headings = ("score", "value", "low", "high", "p", "real_images", "better")
    scores = found.scores.items()
    return csv_table(
        headings,
        ([name, s.value, s.low, s.high, s.p, s.floor, METRICS[name].better] for name, s in scores),
    )


def _latex(found: Evaluation) -> str:
    from ganbaru.metrics import METRICS

    rows = (
        [
            METRICS[name].title,
            with_interval(s.value, s.low, s.high),
            f"{s.floor:.4g}",
            METRICS[name].better,
        ]
        for name, s in found.scores.items()
    )
    return latex_table(("score", "value [95 % interval]", "real images", "better"), rows)


TABLES = {".csv": _csv, ".tex": _latex}


def _value(score: Score) -> str:
    spread = "" if score.spread is None else f" (nets ± {_number(score.spread)})"
    return _number(score.value) + spread


def _conditions(found: Evaluation) -> list[str]:
    """Return the lines on what the scores depend on."""
    passport = found.passport
    accuracy = passport.scorer_accuracy
    tested = "" if accuracy is None else f", accuracy {accuracy:.1%} on unseen images"
    lines = [
        "",
        f"{passport.fakes:,} images of {found.subject} against {passport.reals:,} of "
        f"{passport.data} ({passport.reference}); {found.seconds:.0f} s",
        f"scorer    {passport.scorer}, {passport.scorer_hash[:12]}{tested}",
        f"images    {passport.resize}",
        f"interval  {passport.interval}",
        f"real      baseline: the score of {passport.floor} in place of the fakes",
    ]
    if found.classes and len(found.classes) <= 20:
        shares = (f"{name} {fake:.1%} ({real:.1%})" for name, (fake, real) in found.classes.items())
        lines.append(f"classes   generated (real): {', '.join(shares)}")
    lines += [
        f"attribute {name}: {one.measure} {with_interval(one.value, one.low, one.high)}, "
        f"real images {one.floor:.4g}"
        for name, one in found.attributes.items()
    ]
    return [*lines, *(f"note      {note}" for note in found.notes)]
