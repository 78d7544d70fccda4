"""Sets published as four IDX files, as MNIST is: find the files, or download them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ganbaru.data.download import fetch
from ganbaru.data.idx_files import read_pair
from ganbaru.data.locate import places
from ganbaru.data.source import Arrays, Original, Progress, of_reader, stamp

PREFIXES = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class Published:
    """A set published as four IDX files: where copies lie, where it is fetched and how checked."""

    name: str
    folders: tuple[str, ...]  # below a location, besides the set's own name
    url: str
    classes: tuple[str, ...]
    packed: dict[str, str]  # SHA-256 by file name (without -ubyte) of the .gz files
    unpacked: dict[str, str]  # and of what is in them


def original(
    published: Published, split: str, data_dir: Path | None, progress: Progress
) -> Original:
    """Find the published files of a split, or download them."""
    prefix = PREFIXES[split]
    names = (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte")
    files, notes = _find(published, names, data_dir)
    files = files or [_download(published, name, progress) for name in names]

    def read() -> Arrays:
        return read_pair(files[0], files[1], published.classes, notes)

    return of_reader(published.name, f"{published.name}/{split}", stamp(files), read)


def _find(
    published: Published, names: tuple[str, str], data_dir: Path | None
) -> tuple[list[Path], tuple[str, ...]]:
    """Return the first pair of files found, or none, with notes on what was passed over."""
    notes: tuple[str, ...] = ()
    for place in places(data_dir):
        for folder in (published.name, *published.folders):
            for below in (place / folder / "raw", place / folder):
                if files := _pair(below, names):
                    return files, ()
        if files := _pair(place, names):
            if _is_published(published, files[0]):
                return files, ()
            notes += (
                f"{files[0]} was passed over, since it is not the published {published.name} file "
                f"(other sets use the same names); to use it, give it as the data's path.",
            )
    return [], notes


def _pair(folder: Path, names: tuple[str, str]) -> list[Path]:
    found = [_variant(folder, name) for name in names]
    return [file for file in found if file] if all(found) else []


def _variant(folder: Path, name: str) -> Path | None:
    """Find a file under its published name or as commonly unpacked, with a dot before ``idx``."""
    dotted = name.replace("-idx", ".idx")
    candidates = (folder / each for each in (name, f"{name}.gz", dotted, f"{dotted}.gz"))
    return next((file for file in candidates if file.is_file()), None)


def _is_published(published: Published, file: Path) -> bool:
    known = (*published.packed.values(), *published.unpacked.values())
    return hashlib.sha256(file.read_bytes()).hexdigest() in known


def _download(published: Published, name: str, progress: Progress) -> Path:
    checksum = f"sha256:{published.packed[name.removesuffix('-ubyte')]}"
    return fetch(published.name, f"{published.url}/{name}.gz", checksum, progress)
