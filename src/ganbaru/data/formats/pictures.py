"""Picture files in a folder or an archive: which files are pictures, and their classes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import PurePosixPath

import numpy as np

from ganbaru.data.source import Files, Samples

_SUFFIXES = (
    ".apng .avif .bmp .dib .gif .ico .jfif .jp2 .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .tga .tif "
    ".tiff .webp"
)
SUFFIXES = frozenset(_SUFFIXES.split())


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
