"""What commands write by the ending of a name: one file of a kind, or a folder with all kinds."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ganbaru import files
from ganbaru.errors import InputError

T = TypeVar("T")
KINDS = {".npz": ".npz (arrays)", ".png": ".png (a sheet)"}


def by_ending(
    path: Path | None, what: str, ways: Mapping[str, Callable[[Path, T], None]], overwrite: bool
) -> Callable[[T], None]:
    """Return the function that writes a result to `path` by its ending; "" is that of a folder.

    For no path it writes nothing. Raises InputError for another ending, and for files that are not
    ganbaru's: of a folder when it is written.
    """
    if path is None:
        return lambda result: None
    ending = path.suffix.lower()
    if ending not in ways:
        known = " or ".join(KINDS[each] for each in ways if each)
        raise InputError(
            f"Cannot write {what} to {path}: give a name ending in {known}, or a folder's name "
            f"without an ending (all of them)."
        )
    target = files.output(path, overwrite) if ending else path

    def write(result: T) -> None:
        with files.writing(path):
            (target.parent if ending else target).mkdir(parents=True, exist_ok=True)
            if ending:
                ways[ending](target, result)
                return
            with files.temporary(target, folder=True) as made:
                ways[ending](made, result)
                places = {each: target / each.name for each in sorted(made.iterdir())}
                checked = {each: files.output(place, overwrite) for each, place in places.items()}
                for each, place in checked.items():
                    os.replace(each, place)

    return write


def write_npz(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays as a compressed .npz file, with the mark by which `files.is_ours` knows it."""
    with files.replacing(path) as made:
        with made.open("wb") as file:
            np.savez_compressed(file, **arrays)
        with zipfile.ZipFile(made, "a") as archive:
            archive.comment = b"ganbaru"
