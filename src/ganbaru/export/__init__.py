"""A trained network taken elsewhere: as an ONNX model, its weights alone, or a folder to share.

A format is a function that writes a player to a path, and a line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ganbaru import files, native
from ganbaru.errors import InputError, pick
from ganbaru.export import folder, model_file, weights
from ganbaru.export.precisions import PRECISIONS
from ganbaru.native import Player

Format = Callable[[Path, Player, str], list[str]]

FORMATS: dict[str, Format] = {
    ".onnx": model_file.write,
    ".safetensors": weights.write,
    "": folder.write,
}


def write(
    run: str | Path,
    path: str | Path,
    *,
    player: str = "generator",
    which: str = "newest",
    precision: str = "float32",
) -> list[str]:
    """Write a network of a run to `path`, whose ending names the format; returns lines about it.

    `player` is one of `ganbaru.native.PLAYERS`, `run` and `which` are as in `ganbaru.load`,
    `precision` is float32 or float16. Raises InputError for what is unknown, missing or damaged.
    """
    path = Path(path)
    into = FORMATS.get(path.suffix.lower())
    if into is None:
        raise InputError(
            f"Cannot export to {path}: give a name ending in .onnx (a model for any runtime) or "
            f".safetensors (weights alone), or a folder's name without an ending (to share)."
        )
    pick("precision", precision, PRECISIONS)
    found = native.load(run, player, which)
    with files.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return into(path, found, precision)
