"""A folder of pictures; its sub-folders, if every picture is in one, are the classes."""

from __future__ import annotations

import os
from pathlib import Path

from ganbaru.data.formats.pictures import SUFFIXES, is_picture, labelled_by_folder
from ganbaru.data.formats.splits import split_folder
from ganbaru.data.source import Original, Samples
from ganbaru.errors import InputError


def recognize(path: Path, head: bytes, split: str) -> Original | None:
    """Return the pictures of a folder that is in no other format."""
    if not path.is_dir():
        return None
    root = split_folder(path, split)
    files = _listing(root)
    names = [name for name in files if is_picture(name)]
    if not names:
        raise InputError(_no_pictures(root, files))

    def read() -> Samples:
        return labelled_by_folder({name: (root / name).read_bytes for name in names})

    return Original(path.resolve().name, str(root.resolve()), _stamp(root, names), read)


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


def _stamp(root: Path, names: list[str]) -> str:
    """Describe files by name, length and modification time: cheaper than `file_stamp`."""
    lines = []
    for name in names:
        try:
            stat = os.stat(os.path.join(root, name))
            lines.append(f"{name}|{stat.st_size}|{stat.st_mtime_ns}")
        except OSError:  # a dangling link, which is reported as unreadable
            lines.append(f"{name}|absent")
    return "\n".join(lines)


def _no_pictures(root: Path, files: list[str]) -> str:
    kinds = ", ".join(sorted(SUFFIXES))
    if not files:
        return f"The folder {root} is empty. Put pictures ({kinds}) in it."
    return (
        f"{root} holds {len(files):,} files, such as {files[0]}, but no pictures. Pictures are "
        f"recognised by their suffix: {kinds}."
    )
