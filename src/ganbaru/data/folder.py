"""A folder of pictures; its sub-folders, if every picture is in one, are the classes."""

from __future__ import annotations

import os
from pathlib import Path

from ganbaru.data.picture_file import SUFFIXES
from ganbaru.data.picture_files import Entry, is_picture, label_by_folder, pour
from ganbaru.data.sink import Sink
from ganbaru.data.source import Details, Original, Progress, SplitError, Want
from ganbaru.errors import InputError

SPLITS = frozenset(("train", "test", "val", "valid", "validation"))


def opened(path: Path, head: bytes, split: str) -> Original | None:
    """Open any folder that no other format has claimed."""
    if not path.is_dir():
        return None
    root = _split_folder(path, split)
    files = _listing(root)
    names = [name for name in files if is_picture(name)]
    if not names:
        raise InputError(_no_pictures(root, files))

    def decode(want: Want, sink: Sink, progress: Progress) -> Details:
        entries = [Entry(name, (root / name).read_bytes) for name in names]
        return pour(str(path), entries, label_by_folder(names), want, sink, progress)

    return Original(path.resolve().name, str(root.resolve()), _stamps(root, names), decode)


def _split_folder(path: Path, split: str) -> Path:
    """Step into ``train`` or ``test`` where the folder is divided so; else only train exists."""
    inside = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}
    divided = {name for name in inside & SPLITS if (path / name).is_dir()}
    if "train" in divided and divided == {name for name in inside if (path / name).is_dir()}:
        if split in divided:
            return path / split
        raise SplitError(f"{path} has no {split!r} folder beside {', '.join(sorted(divided))}.")
    whole_only(path, split)
    return path


def whole_only(path: Path, split: str) -> None:
    """Refuse to take a part of data that are not divided."""
    if split != "train":
        raise SplitError(
            f"{path} is not divided into training and test images, so it has no {split!r} part. "
            f"A folder with 'train' and 'test' sub-folders has both."
        )


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


def _stamps(root: Path, names: list[str]) -> str:
    """Describe the files by name, length and time of change, which is cheaper than `stamp`."""
    lines = []
    for name in names:
        try:
            stat = os.stat(os.path.join(root, name))
            lines.append(f"{name}|{stat.st_size}|{stat.st_mtime_ns}")
        except OSError:  # a link that leads nowhere will be reported as unreadable
            lines.append(f"{name}|absent")
    return "\n".join(lines)


def _no_pictures(root: Path, files: list[str]) -> str:
    kinds = ", ".join(sorted(SUFFIXES))
    if not files:
        return f"The folder {root} is empty. Put pictures ({kinds}) in it."
    return (
        f"{root} holds {len(files):,} files, such as {files[0]}, but no pictures. Pictures are "
        f"known by their suffix: {kinds}."
    )
