"""Known sets of images that are local files, or four IDX files that are downloaded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ganbaru.data.download import data_folders, fetch
from ganbaru.data.formats import open_path
from ganbaru.data.formats.idx import read_pair
from ganbaru.data.source import Original, Progress, Samples, file_stamp
from ganbaru.errors import InputError

PREFIXES = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class LocalFiles:
    """The `original` of a `Dataset` that may not be passed on, or has no lasting address."""

    name: str
    candidates: tuple[str, ...]  # files or folders in a folder for data
    advice: str  # how to get them

    def __call__(self, split: str, data_dir: Path | None, progress: Progress) -> Original:
        """Return the images of a split."""
        return open_path(self.place(data_dir), split)

    def place(self, data_dir: Path | None) -> Path:
        """Return the first candidate that exists."""
        folders = data_folders(data_dir)
        paths = (folder / candidate for folder in folders for candidate in self.candidates)
        found = next((path for path in paths if path.exists()), None)
        if found is None:
            raise InputError(
                f"The set {self.name} is not here and cannot be downloaded. {self.advice} Then "
                f"give it as --data, or put it into one of {', '.join(map(str, folders))} as "
                f"{self.candidates[0]}."
            )
        return found


@dataclass(frozen=True)
class IdxDownload:
    """The `original` of a `Dataset` published as four IDX files, as MNIST is."""

    name: str
    folders: tuple[str, ...]  # that may hold copies, besides one of the set's own name
    url: str
    classes: tuple[str, ...]
    packed: dict[str, str]  # SHA-256 by file name (without -ubyte) of the .gz files
    unpacked: dict[str, str]  # and of their content

    def __call__(self, split: str, data_dir: Path | None, progress: Progress) -> Original:
        """Find the images of a split, or download them."""
        names = [f"{PREFIXES[split]}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1")]
        files, notes = self._local(names, data_dir)
        files = files or [self._download(name, progress) for name in names]

        def read() -> Samples:
            return read_pair(files[0], files[1], self.classes, notes)

        return Original(self.name, f"{self.name}/{split}", file_stamp(files), read)

    def _local(self, names: list[str], data_dir: Path | None) -> tuple[list[Path], tuple[str, ...]]:
        """Return the first pair of files found, or none, with notes on files of other sets."""
        notes: tuple[str, ...] = ()
        for place in data_folders(data_dir):
            for folder in (self.name, *self.folders):
                for below in (place / folder / "raw", place / folder):
                    if files := _pair(below, names):
                        return files, ()
            if files := _pair(place, names):
                digest = hashlib.sha256(files[0].read_bytes()).hexdigest()
                if digest in (*self.packed.values(), *self.unpacked.values()):
                    return files, ()
                notes += (
                    f"{files[0]} was not used, since it is not the published {self.name} file "
                    f"(other sets use the same names); to use it, give its path as the data.",
                )
        return [], notes

    def _download(self, name: str, progress: Progress) -> Path:
        checksum = f"sha256:{self.packed[name.removesuffix('-ubyte')]}"
        return fetch(self.name, f"{self.url}/{name}.gz", checksum, progress)


def _pair(folder: Path, names: list[str]) -> list[Path]:
    """Return both files, each as published or as commonly unpacked (a dot before ``idx``)."""
    found = []
    for name in names:
        dotted = name.replace("-idx", ".idx")
        paths = [folder / each for each in (name, f"{name}.gz", dotted, f"{dotted}.gz")]
        found += [path for path in paths if path.is_file()][:1]
    return found if len(found) == len(names) else []
