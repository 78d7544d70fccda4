"""A folder of pictures; its sub-folders, if every picture is in one, are the classes."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

from ganbaru.data import claims
from ganbaru.data.formats.arrangement import arrange
from ganbaru.data.formats.label_sources import Place, candidates, on_disk
from ganbaru.data.formats.labels import labelled
from ganbaru.data.formats.names import SUFFIXES, parts
from ganbaru.data.source import Original, Samples, Want, file_stamp
from ganbaru.errors import InputError

MAX_DEPTH = 64  # folders in folders


def recognize(path: Path, head: bytes, want: Want) -> Original | None:
    """Return the pictures of a folder that is in no other format."""
    if not path.is_dir():
        return None
    listed, unread = _listing(path)
    notes = tuple(
        f"{len(unread):,} folders were not read, locked or over {MAX_DEPTH} deep, such as "
        f"{os.path.relpath(folder, path)[:80]}."
        for folder in unread[:1]
    )
    if not listed:
        kinds = ", ".join(sorted(SUFFIXES))
        empty = " ".join((f"The folder {path} is empty.", *notes))
        raise InputError(f"{empty} Put pictures ({kinds}) in it.")
    paths = {name: parts(name) for name in listed}
    found = arrange(path, paths, want.split)
    tables = candidates(found)

    def read() -> Samples:
        files = {name: partial(claims.read_regular, path / name) for name in found.pictures}
        files |= {
            name: partial(claims.read_regular, path / name, claims.MAX_TABLE) for name in tables
        }
        samples = labelled(Place(path, found, files, paths, want))
        return replace(samples, notes=(*samples.notes, *notes))

    others = (f"{name}|{kind}" for name, (kind, _) in found.others.items() if kind != "hidden")
    named, _ = on_disk(path, want.label_file)
    extra = [str(named.absolute())] if named else []
    stamp = file_stamp((*found.pictures, *tables, *extra), path)
    stamp = "\n".join((stamp, *others))
    return Original(path.resolve().name, want.located(path), stamp, read)


def _listing(root: Path) -> tuple[list[str], list[str]]:
    """Return every file below `root`, sorted, and the folders that are too deep or locked.

    Links to folders are followed, since data sets are often put together from them; each folder
    is read once, so a link to a folder above it does no harm.
    """
    found: list[str] = []
    deep: list[str] = []
    locked: list[OSError] = []
    seen: set[tuple[int, int]] = set()
    for folder, inner, files in os.walk(root, followlinks=True, onerror=locked.append):
        seen.add(_identity(folder))
        inner[:] = [name for name in inner if _identity(os.path.join(folder, name)) not in seen]
        below = Path(folder).relative_to(root)
        found += [(below / name).as_posix() for name in files]
        if inner and len(below.parts) >= MAX_DEPTH:
            deep += [os.path.join(folder, name) for name in inner]
            inner.clear()
    return sorted(found), sorted([*deep, *(str(error.filename) for error in locked)])


def _identity(folder: str) -> tuple[int, int]:
    found = os.stat(folder)
    return found.st_dev, found.st_ino
