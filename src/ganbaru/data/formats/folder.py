"""A folder of pictures; its sub-folders, if every picture is in one, are the classes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np

from ganbaru.data.source import Files, Original, Samples, SplitError, file_stamp, require_train
from ganbaru.errors import InputError

_SUFFIXES = (
    ".apng .avif .bmp .dib .gif .ico .jfif .jp2 .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .tga .tif "
    ".tiff .webp"
)
SUFFIXES = frozenset(_SUFFIXES.split())
SPLIT_FOLDERS = frozenset(("train", "test", "val", "valid", "validation"))


def recognize(path: Path, head: bytes, split: str) -> Original | None:
    """Return the pictures of a folder that is in no other format."""
    if not path.is_dir():
        return None
    root = _split_folder(path, split)
    files = _listing(root)
    names = [name for name in files if is_picture(name)]
    kinds = ", ".join(sorted(SUFFIXES))
    if not files:
        raise InputError(f"The folder {root} is empty. Put pictures ({kinds}) in it.")
    if not names:
        raise InputError(
            f"{root} holds {len(files):,} files, such as {files[0]}, but no pictures. Pictures are "
            f"recognised by their suffix: {kinds}."
        )

    def read() -> Samples:
        return labelled_by_folder({name: (root / name).read_bytes for name in names})

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


def _listing(root: Path) -> list[str]:
    """Return every file below `root`, sorted by name.

    Links to folders are followed, since data sets are often put together from them; each folder
    is read once, so a link to a folder above it does no harm.
    """
    found: list[str] = []
    seen: set[str] = set()
    for folder, inner, files in os.walk(root, followlinks=True):
        seen.add(os.path.realpath(folder))
        inner[:] = [name for name in inner if os.path.realpath(Path(folder, name)) not in seen]
        below = Path(folder).relative_to(root)
        found += [(below / name).as_posix() for name in files]
    return sorted(found)


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
