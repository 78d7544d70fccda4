"""The command that looks for copies of training images among a run's images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganbaru.cli import options
from ganbaru.cli.evaluation_options import add_entrant, entrant

if TYPE_CHECKING:
    from ganbaru.metrics.memorization import Authenticity

SHOWN = 5  # groups of duplicates, and suspects, that are printed


def _parser() -> options.Parser:
    parser = options.Parser(
        "authenticity", "Look for copies of training images among a run's images, or your own."
    )
    add_entrant(
        parser,
        data="what it was trained on: a known set or a path; else a run's own",
        number="how many images, from 100; else up to 1,000",
    )
    parser.add_argument("-o", "--output", type=str, default=None, metavar="FOLDER",
                        help="where result and picture go; else authenticity/ in the run's folder, "
                        "or here for images of your own")  # fmt: skip
    return parser


def examine(arguments: Sequence[str]) -> None:
    """Look for copies, write the picture, and say what was found."""
    wanted = _parser().parse_args(list(arguments))
    from ganbaru import data
    from ganbaru.metrics.memorization import authenticity

    with data.progress_bar() as progress:
        found = authenticity(
            wanted.what, wanted.data, output=wanted.output, progress=progress, **entrant(wanted),
        )  # fmt: skip
    if wanted.json:
        print(json.dumps(found.to_json(), indent=1, ensure_ascii=False))
        return
    print("\n".join(_told(found)))


def _told(found: Authenticity) -> list[str]:
    """Say it all in lines: duplicates first, then the verdict, the suspects, what it rests on."""
    lines = [f"{found.data}: {found.training:,} training images, {_repeats(found)}"]
    for group in found.duplicates[:SHOWN]:
        places = ", ".join(map(str, group[:10])) + (", ..." if len(group) > 10 else "")
        lines.append(f"  the same picture, {len(group)} times: {places}")
    lines += ["", found.verdict(), f"  held out: {found.held_out}; {found.seconds:.0f} s"]
    for one in found.suspects[: SHOWN if found.is_copying else 0]:
        lines.append(
            f"  image {one.image} is like training image {one.training}: distance "
            f"{one.distance:.2f}, {one.ratio:.2f} of its neighbours'"
        )
    lines += [f"  note: {note}" for note in found.notes]
    return [*lines, "", f"picture: {found.folder / 'neighbours.png'}"]


def _repeats(found: Authenticity) -> str:
    if not found.repeated:
        return "no duplicates"
    return (
        f"{found.repeated:,} of them duplicates of another (up to brightness, contrast and a "
        f"little noise)"
    )
