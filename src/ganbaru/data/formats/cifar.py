"""CIFAR-10 and CIFAR-100 as published: binary or pickled batches, in a folder or an archive."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, cast

import numpy as np

from ganbaru.data import claims
from ganbaru.data.arrays import checked
from ganbaru.data.formats import cifar_pickle
from ganbaru.data.formats.tar_members import Limited, members
from ganbaru.data.source import (
    Files,
    Images,
    Labels,
    Original,
    Samples,
    SplitError,
    Want,
    damaged,
    file_stamp,
)
from ganbaru.errors import InputError, pick

ROW = 3 * 32 * 32  # red, green and blue, each row by row; labels of a byte come before
GZIP = b"\x1f\x8b"
UNPACKED = 2**28  # bytes of an archive; the published ones have 184 MB
LARGEST = 2**26  # bytes of a batch; the published ones have 31 MB
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz")
FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")

Batch = tuple[Images, Labels]  # rows (n, 3072), labels (n,)


@dataclass(frozen=True)
class Kind:
    """One of the published sets, with one choice of its labels."""

    name: str
    batches: Mapping[str, tuple[str, ...]]  # by split
    counts: tuple[int, ...]  # classes, for each label of an image
    label: int = 0  # which of these labels is taken
    key: str = "labels"  # its name in the pickled form
    classes: tuple[str, ...] = ()  # if no file has them
    files: tuple[str, str] = ("", "")  # of the classes, text and pickled

    def names(self, *splits: str) -> list[str]:
        """Return the names of the batches of splits, in both forms."""
        every = [name for split in splits for name in self.batches.get(split, ())]
        return [f"{name}{suffix}" for suffix in PARSERS for name in every]

    @property
    def title(self) -> str:
        """The name as published."""
        return self.name.upper().replace("R1", "R-1")

    def beside(self) -> list[str]:
        """Return the names of the files with the names of classes."""
        return [name for name in self.files if name]


_TEN = {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)}
CIFAR10 = Kind("cifar10", _TEN, (10,), classes=CLASSES)


def _hundred(label: int, name: str) -> Kind:
    """Return CIFAR-100: each image has a label among 20 coarse and one among 100 fine classes."""
    batches = {"train": ("train",), "test": ("test",)}
    files = (f"{name}_label_names.txt", "meta")
    return Kind("cifar100", batches, (20, 100), label, f"{name}_labels", files=files)


CIFAR100 = {name: _hundred(k, name) for k, name in enumerate(("coarse", "fine"))}


def _parse_binary(kind: Kind, name: str, data: bytes) -> Batch:
    before = len(kind.counts)
    record = before + ROW
    if not data or len(data) % record:
        size = f"{len(data):,} bytes are not a whole number of {record:,}-byte {kind.title} records"
        raise damaged(name, size)
    records = np.frombuffer(data, np.uint8).reshape(-1, record)
    return records[:, before:], records[:, kind.label].astype(np.int64)


def _parse_pickle(kind: Kind, name: str, data: bytes) -> Batch:
    rows, labels = cifar_pickle.read(name, data, kind.key)
    if rows.shape != (len(labels), ROW) or not len(labels):
        found = f"it holds data of shape {rows.shape} and {len(labels):,} labels"
        raise damaged(name, f"{found}; expected (n, {ROW}) and n labels")
    return rows, labels


# The two published forms, by the suffix of the batches' names.
PARSERS: dict[str, Callable[[Kind, str, bytes], Batch]] = {
    ".bin": _parse_binary,
    "": _parse_pickle,
}


def recognize(path: Path, head: bytes, want: Want) -> Original | None:
    """Return the images of a folder of batches or of the published archive."""
    split = "train" if want.split in ("auto", "none") else want.split
    kind = CIFAR10
    if _is_100(path, head):
        kind = pick("--key for the labels of CIFAR-100", want.key or "fine", CIFAR100)
    if not path.is_dir():
        found = _in_archive(path, split, kind) if head.startswith(GZIP) else None
    else:
        found = _in_folder(path, split, path.resolve().name, kind)
    if found and want.key and kind is CIFAR10:
        raise InputError(f"{path} holds CIFAR-10, whose images have one label: leave --key out.")
    if found is None and path.is_dir() and _present(path, kind.names(*kind.batches)):
        raise SplitError(f"{path} holds batches of {kind.title}, but none of its {split} images.")
    return found


def _is_100(path: Path, head: bytes) -> bool:
    """Return whether a folder or archive holds CIFAR-100, by the names of its files."""
    known = {"meta", "fine_label_names.txt"}
    if path.is_dir():
        return bool(_present(path, CIFAR100["fine"].names("train", "test"))) and bool(
            _present(path, [*known]) or path.resolve().name.startswith("cifar-100")
        )
    return head.startswith(GZIP) and any("cifar-100" in name for name in _first(path))


def find(folders: list[Path], split: str) -> Original | None:
    """Look for CIFAR-10 in these folders, under the usual names and in both forms."""
    for folder in folders:
        for inner in ("", "cifar10", "cifar-10", "CIFAR10"):
            for name in (*FOLDERS, *ARCHIVES, ""):
                path = folder / inner / name
                if found := _in_folder(path, split, "cifar10", CIFAR10):
                    return found
                if found := _in_archive(path, split, CIFAR10):
                    return found
    return None


def _present(folder: Path, names: list[str]) -> list[Path]:
    return [folder / name for name in names if (folder / name).is_file()]


def _in_folder(path: Path, split: str, name: str, kind: Kind) -> Original | None:
    present = _present(path, kind.names(split))
    used = [*present, *_present(path, kind.beside())]
    read = partial(
        _read,
        path,
        split,
        lambda: {file.name: partial(claims.read_regular, file, LARGEST) for file in used},
        kind,
    )
    return Original(name, _place(path, split, kind), file_stamp(used), read) if present else None


def _place(path: Path, split: str, kind: Kind) -> str:
    return f"{path.resolve()}/{split}" + (f" ({kind.key})" if kind.files[0] else "")


def _first(path: Path) -> set[str]:
    """Return the names of the first few members of an archive, "cifar-100" for that folder."""
    found: set[str] = set()
    with suppress(InputError), _listed(path, LARGEST) as (_, listed):
        for member in islice(listed, 4):
            name = PurePosixPath(member.name)
            found |= {name.name, *(part for part in name.parts if part.startswith("cifar-100"))}
    return found


def _in_archive(path: Path, split: str, kind: Kind) -> Original | None:
    """Return the images of an archive whose name or first few members are those of a set."""
    if not path.is_file():
        return None
    if not _first(path).intersection(kind.names(*kind.batches)) and path.name not in ARCHIVES:
        return None
    if split not in kind.batches:
        raise SplitError(f"{path} holds {kind.title}, which has training and test images only.")
    read = partial(_read, path, split, partial(_unpacked, path), kind)
    return Original(kind.name, _place(path, split, kind), file_stamp([path]), read)


def _unpacked(path: Path) -> Files:
    files: dict[str, Callable[[], bytes]] = {}
    with _listed(path, UNPACKED) as (archive, listed):
        for member in listed:
            stream = archive.extractfile(member) if member.isreg() else None
            if stream and member.size < LARGEST:
                files[PurePosixPath(member.name).name] = partial(bytes, stream.read())
    return files


@contextmanager
def _listed(path: Path, most: int) -> Iterator[tuple[tarfile.TarFile, Iterator[tarfile.TarInfo]]]:
    """Yield an archive and its members, in the order of a stream of `most` bytes at most."""
    with claims.open_gzip(path) as stream:
        limited = cast(IO[bytes], Limited(stream, most))
        with members(path, limited, "r|") as found:
            yield found


def _read(place: Path, split: str, open_files: Callable[[], Files], kind: Kind) -> Samples:
    """Read the batches of a split, in the first form in which there are any."""
    files, names = open_files(), kind.batches[split]
    for suffix in PARSERS:
        if numbers := [k for k, name in enumerate(names) if f"{name}{suffix}" in files]:
            break
    else:
        raise InputError(f"{place} holds none of {', '.join(names)}. Download it again.")
    present = [f"{names[k]}{suffix}" for k in numbers]
    batches = [_batch(kind, suffix, f"{place}/{name}", files[name]()) for name in present]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    notes: tuple[str, ...] = ()
    if len(numbers) < len(names):
        shown = ", ".join(str(k + 1) for k in numbers)
        notes = (
            f"Training batches present: {shown} of {len(names)}, with {len(images):,} images.",
        )
    origin = "CIFAR labels" if kind is CIFAR10 else f"CIFAR-100's {kind.key.replace('_', ' ')}"
    return checked(str(place), images, labels, _classes(kind, place, files), notes, origin)


def _classes(kind: Kind, place: Path, files: Files) -> tuple[str, ...]:
    """Return the names of classes; () if no file has as many as there are classes."""
    text, pickled = kind.files
    found = kind.classes
    if text in files:
        found = tuple(files[text]().decode("utf-8", "replace").split())
    elif pickled in files:
        found = cifar_pickle.names(f"{place}/{pickled}", files[pickled](), f"{kind.key[:-1]}_names")
    return found if len(found) == kind.counts[kind.label] else ()


def _batch(kind: Kind, suffix: str, name: str, data: bytes) -> Batch:
    """Return images (n, 32, 32, 3) and labels of one batch."""
    rows, labels = PARSERS[suffix](kind, name, data)
    count = kind.counts[kind.label]
    if labels.min() < 0 or labels.max() >= count:
        found = f"it has labels from {labels.min()} to {labels.max()}"
        raise damaged(name, f"{found}; {kind.title}'s run from 0 to {count - 1}")
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels
