"""`ganbaru authenticity`: test for memorization, copies of training images among images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganbaru.cli.evaluation_options import add_candidate, candidate, show
from ganbaru.cli.parser import Parser, add_output

if TYPE_CHECKING:
    from ganbaru.metrics.memorization import Authenticity

SHOWN = 5  # groups of duplicates, and suspects, that are printed


def _parser() -> Parser:
    description = (
        "Test for memorization: copies of training images among a run's images, or your own."
    )
    parser = Parser("authenticity", description)
    add_candidate(
        parser,
        data="the training data: a known set or a path; else the run's own",
        number="how many images, from 100; else up to 1,000",
    )
    output = (
        "where result and picture are written; else authenticity/ in the run's folder, or the "
        "current folder for images of your own"
    )
    add_output(parser, output, None, "FOLDER")
    return parser


def authenticity(arguments: Sequence[str]) -> None:
    """Search for copies, write the picture, and print the findings."""
    args = _parser().parse_args(arguments)
    from ganbaru import data
    from ganbaru.metrics import memorization

    with data.progress_bar() as progress:
        found = memorization.authenticity(
            args.what,
            args.data,
            output=args.output,
            overwrite=args.overwrite,
            progress=progress,
            **candidate(args),
        )
    show(args, found, _lines)


def _lines(found: Authenticity) -> list[str]:
    """Return duplicates first, then the verdict, the suspects and the notes."""
    lines = [f"{found.data}: {found.training:,} training images, {_duplicates(found)}"]
    for group in found.duplicates[:SHOWN]:
        places = ", ".join(map(str, group[:10])) + (", ..." if len(group) > 10 else "")
        lines.append(f"  the same picture, {len(group)} times: {places}")
    lines += ["", found.verdict(), f"  held out: {found.held_out}; {found.seconds:.0f} s"]
    for one in found.suspects[: SHOWN if found.is_copying else 0]:
        lines.append(
            f"  image {one.image} resembles training image {one.training}: distance "
            f"{one.distance:.2f}, {one.ratio:.2f} times that of its neighbours"
        )
    lines += [f"  note: {note}" for note in found.notes]
    return [*lines, "", f"picture: {found.folder / 'neighbours.png'}"]


def _duplicates(found: Authenticity) -> str:
    if not found.repeated:
        return "no duplicates"
    return (
        f"{found.repeated:,} of them duplicates of another (up to brightness, contrast and a "
        f"little noise)"
    )
