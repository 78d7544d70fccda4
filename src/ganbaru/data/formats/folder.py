"""A folder of pictures; its sub-folders, if every picture is in one, are the classes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from ganbaru.data import claims
from ganbaru.data.source import Files, Original, Samples, SplitError, file_stamp, require_train
from ganbaru.errors import InputError

_SUFFIXES = (
    ".apng .avif .bmp .dib .gif .ico .jfif .jp2 .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .tga .tif "
    ".tiff .webp"
)
SUFFIXES = frozenset(_SUFFIXES.split())
MAX_DEPTH = 64  # folders in folders
SPLIT_FOLDERS = frozenset(("train", "test", "val", "valid", "validation"))


def recognize(path: Path, head: bytes, split: str) -> Original | None:
    """Return the pictures of a folder that is in no other format."""
    if not path.is_dir():
        return None
    root = _split_folder(path, split)
    files, unread = _listing(root)
    notes = tuple(
        f"{len(unread):,} folders were not read, locked or over {MAX_DEPTH} deep, such as "
        f"{os.path.relpath(folder, root)[:80]}."
        for folder in unread[:1]
    )
    names = [name for name in files if is_picture(name)]
    kinds = ", ".join(sorted(SUFFIXES))
    if not files:
        empty = " ".join((f"The folder {root} is empty.", *notes))
        raise InputError(f"{empty} Put pictures ({kinds}) in it.")
    if not names:
        raise InputError(
            f"{root} holds {len(files):,} files, such as {files[0]}, but no pictures. Pictures are "
            f"recognised by their suffix: {kinds}."
        )

    def read() -> Samples:
        files = {name: partial(claims.read_regular, root / name) for name in names}
        found = labelled_by_folder(files)
        return replace(found, notes=(*found.notes, *notes))

    return Original(path.resolve().name, str(root.resolve()), file_stamp(names, root), read)


def _split_folder(path: Path, split: str) -> Path:
    """Return the sub-folder of a split; `path` itself, only for training, if it has no splits."""
    folders = {entry.name for entry in path.iterdir() if entry.is_dir() and entry.name[0] != "."}
    if "train" in folders and folders <= SPLIT_FOLDERS:
        if split in folders:
            return path / split
        raise SplitError(f"{path} has no {split!r} folder beside {', '.join(sorted(folders))}.")
    require_train(path, split)
    return path


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


def is_picture(name: str) -> bool:
    """Return whether a file in a folder or archive is a picture, by its name."""
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden


def labelled_by_folder(files: Files, names: Iterable[str] | None = None) -> Samples:
    """Label files by the first folder in which they differ, if every file is in such a folder.

    `names` are the paths to go by, those of `files` if None.
    """
    paths = [PurePosixPath(name).parts for name in names or files]
    shared = os.path.commonprefix([path[:-1] for path in paths])
    folders = [path[len(shared)] if len(path) > len(shared) + 1 else "" for path in paths]
    classes = tuple(sorted(set(folders) - {""}))
    outside = folders.count("")
    if not classes:
        return Samples(files)
    if outside:
        note = f"{outside:,} of {len(files):,} pictures are beside the sub-folders"
        return Samples(files, notes=(f"{note}, so the sub-folders are not taken as classes.",))
    numbers = {name: k for k, name in enumerate(classes)}
    return Samples(files, np.array([numbers[folder] for folder in folders], np.int64), classes)
