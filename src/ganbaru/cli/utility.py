"""`ganbaru utility`: do generated images help a classifier of the real ones?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganbaru.cli.evaluation_options import add_candidate, candidate, show
from ganbaru.cli.parser import Parser

if TYPE_CHECKING:
    from ganbaru.metrics.utility import Utility


def _parser() -> Parser:
    parser = Parser("utility", "Test whether generated images help a classifier of real ones.")
    add_candidate(
        parser,
        data="the labelled real images: a known set or a path; else the run's own data",
        number="how many fakes are added; else as many as there are reals, up to 10,000",
    )
    parser.option("--seeds", "pairs of classifiers that are trained", 5, int, within=(2, 100))
    flips = "mirror images in training: yes, no, or auto (where the set allows it)"
    parser.option("--flips", flips, "auto", metavar="HOW")
    labels = "labels of fakes: shares (of the real classes) or uniform"
    parser.option("--fake-labels", labels, "shares", metavar="HOW")
    return parser


def utility(arguments: Sequence[str]) -> None:
    """Train the classifiers and print what the fakes change."""
    args = _parser().parse_args(arguments)
    from ganbaru import data
    from ganbaru.metrics import utility as measured

    with data.progress_bar() as progress:
        found = measured.utility(
            args.what,
            args.data,
            seeds=args.seeds,
            flips=args.flips,
            fake_labels=args.fake_labels,
            progress=progress,
            **candidate(args),
        )
    show(args, found, lines)


def lines(found: Utility) -> list[str]:
    """Return the verdict and the numbers behind it."""
    effect = found.effect
    points = [100 * x for x in (effect.change, effect.low, effect.high)]
    flips = "with flips" if found.flips else "without flips"
    return [
        f"{found.subject} for a classifier of {found.data}: {found.verdict}",
        f"  accuracy {found.without:.2%} on {found.reals:,} reals, {found.with_fakes:.2%} with "
        f"{found.fakes:,} fakes added",
        "  change {:+.2f} points (95 %: {:+.2f} to {:+.2f}), ".format(*points)
        + f"{len(found.seeds)} seeds, {found.tested:,} unseen reals, {flips}; "
        f"{found.seconds:.0f} s",
        *(f"  note: {note}" for note in found.notes),
    ]
