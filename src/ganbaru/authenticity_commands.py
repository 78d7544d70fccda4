"""The command that looks for copies of training images among a run's images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganbaru import options

if TYPE_CHECKING:
    from ganbaru.metrics.authenticity import Authenticity

SHOWN = 5  # groups of duplicates, and suspects, that are printed


def _parser() -> options.Parser:
    parser = options.Parser(
        "authenticity", "Look for copies of training images among a run's images, or your own."
    )
    parser.add_argument("what", type=str,
                        help="a run's folder, its name below runs/, a checkpoint, or a folder, zip "
                        "or .npz of images")  # fmt: skip
    parser.add_argument("--data", type=str, default=None, metavar="X",
                        help="what it was trained on: a known set or a path; else a run's "
                        "own")  # fmt: skip
    parser.add_argument("--data-dir", type=str, default=None, metavar="DIR",
                        help="where named sets are looked for first")  # fmt: skip
    parser.add_argument("-n", "--number", type=options.whole("-n"), default=None, metavar="N",
                        help="how many images, from 100; else up to 1,000")  # fmt: skip
    parser.add_argument("--seed", type=options.whole("--seed"), default=0, metavar="N",
                        help="seed of the first image; seeds count up")  # fmt: skip
    parser.add_argument("--checkpoint", type=str, default="newest", metavar="WHICH",
                        help="newest, best, or the number of images it was written at")  # fmt: skip
    parser.add_argument("--engine", type=str, default="numpy", help="what makes a run's images")
    parser.add_argument("--device", type=str, default="auto", help="cpu, cuda, cuda:1 or mps")
    parser.add_argument("-o", "--output", type=str, default=None, metavar="FOLDER",
                        help="where result and picture go; else authenticity/ in the run's folder, "
                        "or here for images of your own")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    return parser


def examine(arguments: Sequence[str]) -> None:
    """Look for copies, write the picture, and say what was found."""
    wanted = _parser().parse_args(list(arguments))
    from ganbaru import data
    from ganbaru.metrics.authenticity import authenticity

    with data.progress_bar() as progress:
        found = authenticity(
            wanted.what, wanted.data, number=wanted.number, seed=wanted.seed,
            checkpoint=wanted.checkpoint, engine=wanted.engine, device=wanted.device,
            data_dir=Path(wanted.data_dir) if wanted.data_dir else None,
            output=Path(wanted.output) if wanted.output else None, progress=progress,
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
    for one in found.suspects[: SHOWN if found.accused else 0]:
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
