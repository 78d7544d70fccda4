"""Export a trained network: ONNX model, standalone page, weights only, or a folder to share.

A format is a function that writes a player to a path, registered in `FORMATS`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from ganbaru import files
from ganbaru.errors import InputError, pick
from ganbaru.export import onnx_file, page, pretrained, weights
from ganbaru.export.precision import PRECISIONS
from ganbaru.report.frame import UNSAID, Credits
from ganbaru.sampling.players import Player, load_player


class Format(NamedTuple):
    """How a player is written to a path, the default precision, and what may be replaced there."""

    write: Callable[[Path, Player, str], list[str]]
    precision: str = "float32"
    place: Callable[[Path, bool], Path] = files.output


FORMATS: dict[str, Format] = {
    ".onnx": Format(onnx_file.write),
    ".html": Format(page.write, "float16"),
    ".safetensors": Format(weights.write),
    "": Format(pretrained.write, place=pretrained.place),
}


def write(
    run: str | Path,
    path: str | Path,
    *,
    player: str = "generator",
    which: str = "auto",
    precision: str | None = None,
    trust: Collection[str] = (),
    overwrite: bool = False,
    title: str = "",
    author: str = "",
    licence: str = "",
) -> list[str]:
    """Write a network of a run to `path`, whose ending chooses the format; returns a summary.

    A page shows `title` (by default the run's name), `author` and `licence`.

    `player` is one of `ganbaru.native.PLAYERS`, `run`, `which` and `trust` are as in
    `ganbaru.load`, `precision` is float32 or float16, None for the format's default. Raises
    InputError for an unknown choice, a missing or damaged checkpoint, and without `overwrite` for
    files at `path` that ganbaru did not write.
    """
    path = Path(path)
    chosen = FORMATS.get(path.suffix.lower())
    if chosen is None:
        raise InputError(
            f"Cannot export to {path}: give a name ending in .onnx (a model for any runtime), "
            f".html (a page that generates images) or .safetensors (weights only), or a folder's "
            f"name without an ending (to share)."
        )
    credits = Credits(title, author, licence)
    write: Callable[[Path, Player, str], list[str]] = chosen.write
    if chosen.write is page.write:
        write = functools.partial(page.write, credits=credits)
    elif credits != UNSAID:
        raise InputError(
            f"--title, --author and --licence are of a page, which {path} is not: leave them out, "
            f"or give a name ending in .html."
        )
    precision = precision or chosen.precision
    pick("precision", precision, PRECISIONS)
    path = chosen.place(path, overwrite)
    found = load_player(run, which, player, trust)
    with files.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return write(path, found, precision)
