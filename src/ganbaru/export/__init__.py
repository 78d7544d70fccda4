"""Export a trained network: ONNX model, standalone page, weights only, or a folder to share.

A format is a function that writes a player to a path, registered in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

from ganbaru import files
from ganbaru.errors import InputError, pick
from ganbaru.export import onnx_file, page, pretrained, weights
from ganbaru.export.precision import PRECISIONS
from ganbaru.report import credits
from ganbaru.sampling.players import load_player

PIXELS = {"float32": False, "uint8": True}  # of the images of an ONNX model; whether converted
CRITIC = "discriminator"


class Format(NamedTuple):
    """How a player is written to a path, the default precision, and what may be replaced there."""

    write: Callable[..., list[str]]  # of path, player, precision, and what it `takes`
    precision: str = "float32"
    takes: tuple[str, ...] = ()  # of `write`'s further options
    place: Callable[[Path, bool], Path] = files.output


FORMATS: dict[str, Format] = {
    ".onnx": Format(onnx_file.write, takes=("pixels",)),
    ".html": Format(page.write, "float16", ("credits",)),
    ".safetensors": Format(weights.write),
    "": Format(pretrained.write, takes=("credits",), place=pretrained.place),
}


def write(
    run: str | Path,
    path: str | Path,
    *,
    player: str = "generator",
    which: str = "auto",
    precision: str | None = None,
    pixels: str = "float32",
    trust: Collection[str] = (),
    overwrite: bool = False,
    title: str | None = None,
    author: str | None = None,
    licence: str | None = None,
) -> list[str]:
    """Write a network of a run to `path`, whose ending chooses the format; returns a summary.

    A page or folder shows `title` (else the run's name), `author` and `licence`, which the run
    keeps for later ones ("" removes one). `player` is one of
    `ganbaru.native.PLAYERS`, `run`, `which` and `trust` are as in `ganbaru.load`, `precision` is
    float32 or float16, None for the format's default. `pixels` of an ONNX generator are float32 in
    [-1, 1], or uint8 (RGB). Raises InputError for an unknown choice, a missing or damaged
    checkpoint, and without `overwrite` for files at `path` that ganbaru did not write.
    """
    path = Path(path)
    chosen = FORMATS.get(path.suffix.lower())
    if chosen is None:
        raise InputError(
            f"Cannot export to {path}: give a name ending in .onnx (a model for any runtime), "
            f".html (a page that generates images) or .safetensors (weights only), or a folder's "
            f"name without an ending (to share)."
        )
    precision = precision or chosen.precision
    pick("precision", precision, PRECISIONS)
    how: dict[str, Any] = {"pixels": pixels} if pick("kind of pixels", pixels, PIXELS) else {}
    if how and ("pixels" not in chosen.takes or player == CRITIC):
        raise InputError(
            f"--pixels {pixels} is for generators in .onnx alone, not for the {player} in {path}: "
            f"give a name ending in .onnx, or leave --pixels out."
        )
    texts = (title, author, licence)
    if any(text is not None for text in texts) and "credits" not in chosen.takes:
        raise InputError(
            f"--title, --author and --licence are of a page or a folder to share, and {path} is "
            f"neither: leave them out, or give a name ending in .html or without an ending."
        )
    path = chosen.place(path, overwrite)
    found = load_player(run, which, player, trust)
    kept: list[str] = []
    if "credits" in chosen.takes:
        how["credits"], kept = credits.given_for(found.path, *texts)
    with files.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return [*chosen.write(path, found, precision, **how), *kept]
