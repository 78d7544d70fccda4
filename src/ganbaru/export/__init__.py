"""Export a trained network: ONNX model, standalone page, weights only, or a folder to share.

A format is a function that writes a player to a path, registered in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ganbaru import files
from ganbaru.errors import InputError, pick
from ganbaru.export import onnx_file, page, pretrained, weights
from ganbaru.export.page.html import SeedMap
from ganbaru.export.precision import PRECISIONS
from ganbaru.report import credits
from ganbaru.sampling import directions as named
from ganbaru.sampling.players import load_player

PIXELS = {"float32": False, "uint8": True}  # of the images of an ONNX model; whether converted
CRITIC = "discriminator"
# Options that not every format takes: their flags, and what they are for.
OPTIONS = {
    "pixels": ("--pixels uint8", "generators in .onnx"),
    "credits": ("--title, --author or --licence", "a page (.html) or a folder to share"),
    "directions": ("--directions", "generators in .html, .onnx or a folder to share"),
    "seed_map": ("--map", "a page (.html)"),
}


class Format(NamedTuple):
    """How a player is written to a path, the default precision, and what may be replaced there."""

    write: Callable[..., list[str]]  # of path, player, precision, and what it `takes`
    precision: str = "float32"
    takes: tuple[str, ...] = ()  # of `write`'s further options
    place: Callable[[Path, bool], Path] = files.output


FORMATS: dict[str, Format] = {
    ".onnx": Format(onnx_file.write, takes=("pixels", "directions")),
    ".html": Format(page.write, "float16", ("credits", "directions", "seed_map")),
    ".safetensors": Format(weights.write),
    "": Format(pretrained.write, takes=("credits", "directions"), place=pretrained.place),
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
    directions: Sequence[str] | None = None,
    seed_map: Callable[[], SeedMap] | None = None,
) -> list[str]:
    """Write a network of a run to `path`, whose ending chooses the format; returns a summary.

    A page or folder shows `title` (else the run's name), `author` and `licence`, which the run
    keeps for later ones ("" removes one). The generator's `directions` of these names (None: all)
    become sliders of a page, and metadata of an .onnx file or a folder; a page with a `seed_map`,
    a function that returns `ganbaru.embed`'s result, shows where seeds are. `player` is one of
    `ganbaru.native.PLAYERS`, `run`, `which` and `trust` are as in `ganbaru.load`, `precision` is
    float32 or float16, None for the format's default. `pixels` of an ONNX generator are float32 in
    [-1, 1], or uint8 (RGB). Raises InputError for an unknown choice, a missing or damaged
    checkpoint, and without `overwrite` for files at `path` that ganbaru did not write.
    """
    path = Path(path)
    chosen = _format(path)
    precision = precision or chosen.precision
    pick("precision", precision, PRECISIONS)
    texts = (title, author, licence)
    given = {
        "pixels": pick("kind of pixels", pixels, PIXELS),
        "credits": any(text is not None for text in texts),
        "directions": directions is not None,
        "seed_map": seed_map is not None,
    }
    _check(given, chosen, player, path)
    path = chosen.place(path, overwrite)
    found = load_player(run, which, player, trust)
    how: dict[str, Any] = {"pixels": pixels} if given["pixels"] else {}
    said: list[str] = []
    if "directions" in chosen.takes and player != CRITIC:
        how["directions"] = taken = named.of(found, directions)
        said += _about(taken, found.header.images)
    if seed_map is not None:
        how["seed_map"] = seed_map()
    if "credits" in chosen.takes:
        how["credits"], kept = credits.given_for(found.path, *texts)
        said += kept
    with files.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return [*chosen.write(path, found, precision, **how), *said]


def _format(path: Path) -> Format:
    """Return the format that a path's ending names; raises InputError if there is none."""
    if found := FORMATS.get(path.suffix.lower()):
        return found
    raise InputError(
        f"Cannot export to {path}: give a name ending in .onnx (a model for any runtime), "
        f".html (a page that generates images) or .safetensors (weights only), or a folder's "
        f"name without an ending (to share)."
    )


def _about(directions: named.Directions, images: int) -> list[str]:
    """Return lines about a file's directions, for a checkpoint of so many images."""
    names = [f"directions: {', '.join(directions)}"] if directions else []
    return [*names, *(f"note: directions {each}" for each in named.stale(directions, images))]


def _check(given: Mapping[str, bool], chosen: Format, player: str, path: Path) -> None:
    """Raise InputError for an option that a format, or the discriminator, does not take."""
    for name, is_given in given.items():
        flags, place = OPTIONS[name]
        critic = player == CRITIC and name != "credits"
        if is_given and (name not in chosen.takes or critic):
            raise InputError(
                f"{flags} is for {place}, not for the {player} in {path}: leave it out, or export "
                f"the generator to one of these."
            )
