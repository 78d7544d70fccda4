"""Sets published as four IDX files, as MNIST is: find the files, or download them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ganbaru.data.download import fetch
from ganbaru.data.formats.idx import read_pair
from ganbaru.data.locations import data_folders
from ganbaru.data.source import Original, Progress, Samples, file_stamp

PREFIXES = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class IdxDownload:
    """Finds or downloads a set's IDX files; called as the `original` of a `Dataset`."""

    name: str
    folders: tuple[str, ...]  # that may hold copies, besides one of the set's own name
    url: str
    classes: tuple[str, ...]
    packed: dict[str, str]  # SHA-256 by file name (without -ubyte) of the .gz files
    unpacked: dict[str, str]  # and of their content

    def __call__(self, split: str, data_dir: Path | None, progress: Progress) -> Original:
        """Return the images of a split."""
        prefix = PREFIXES[split]
        names = (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte")
        files, notes = self._local(names, data_dir)
        files = files or [self._download(name, progress) for name in names]

        def read() -> Samples:
            return read_pair(files[0], files[1], self.classes, notes)

        return Original(self.name, f"{self.name}/{split}", file_stamp(files), read)

    def _local(
        self, names: tuple[str, str], data_dir: Path | None
    ) -> tuple[list[Path], tuple[str, ...]]:
        """Return the first pair of files found, or none, with notes on files of other sets."""
        notes: tuple[str, ...] = ()
        for place in data_folders(data_dir):
            for folder in (self.name, *self.folders):
                for below in (place / folder / "raw", place / folder):
                    if files := _pair(below, names):
                        return files, ()
            if files := _pair(place, names):
                if self._is_published(files[0]):
                    return files, ()
                notes += (
                    f"{files[0]} was not used, since it is not the published {self.name} file "
                    f"(other sets use the same names); to use it, give its path as the data.",
                )
        return [], notes

    def _is_published(self, file: Path) -> bool:
        known = (*self.packed.values(), *self.unpacked.values())
        return hashlib.sha256(file.read_bytes()).hexdigest() in known

    def _download(self, name: str, progress: Progress) -> Path:
        checksum = f"sha256:{self.packed[name.removesuffix('-ubyte')]}"
        return fetch(self.name, f"{self.url}/{name}.gz", checksum, progress)


def _pair(folder: Path, names: tuple[str, str]) -> list[Path]:
    found = [_variant(folder, name) for name in names]
    return [file for file in found if file] if all(found) else []


def _variant(folder: Path, name: str) -> Path | None:
    """Find a file under its published name or as commonly unpacked, with a dot before ``idx``."""
    dotted = name.replace("-idx", ".idx")
    candidates = (folder / each for each in (name, f"{name}.gz", dotted, f"{dotted}.gz"))
    return next((file for file in candidates if file.is_file()), None)
