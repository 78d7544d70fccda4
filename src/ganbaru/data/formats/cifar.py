"""CIFAR-10 as published: binary or pickled batches, in a folder or a packed archive."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
from ganbaru.errors import InputError

RECORD = 1 + 3 * 32 * 32  # a label, then red, green and blue, each row by row
GZIP = b"\x1f\x8b"
UNPACKED = 2**28  # bytes of an archive; the published ones have 184 MB
LARGEST = 2**26  # bytes of a batch; the published ones have 31 MB
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz")
FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")
BATCHES = {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)}

Batch = tuple[Images, Labels]  # rows (n, 3072), labels (n,)


def _parse_binary(name: str, data: bytes) -> Batch:
    if not data or len(data) % RECORD:
        size = f"{len(data):,} bytes are not a whole number of {RECORD:,}-byte CIFAR-10 records"
        raise damaged(name, size)
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    return records[:, 1:], records[:, 0].astype(np.int64)


def _parse_pickle(name: str, data: bytes) -> Batch:
    rows, labels = cifar_pickle.read(name, data)
    if rows.shape != (len(labels), RECORD - 1) or not len(labels):
        found = f"it holds data of shape {rows.shape} and {len(labels):,} labels"
        raise damaged(name, f"{found}; expected (n, {RECORD - 1}) and n labels")
    return rows, labels


# The two published forms, by the suffix of the batches' names.
PARSERS: dict[str, Callable[[str, bytes], Batch]] = {".bin": _parse_binary, "": _parse_pickle}


def _names(*splits: str) -> list[str]:
    """Return the names of the batches of splits, in both forms."""
    return [
        f"{name}{suffix}"
        for suffix in PARSERS
        for split in splits
        for name in BATCHES.get(split, ())
    ]


def recognize(path: Path, head: bytes, want: Want) -> Original | None:
    """Return the images of a folder of batches or of the published archive."""
    split = "train" if want.split in ("auto", "none") else want.split
    if not path.is_dir():
        return _in_archive(path, split) if head.startswith(GZIP) else None
    found = _in_folder(path, split, path.resolve().name)
    if found is None and _present(path, _names(*BATCHES)):
        raise SplitError(f"{path} holds batches of CIFAR-10, but none of its {split} images.")
    return found


def find(folders: list[Path], split: str) -> Original | None:
    """Look for CIFAR-10 in these folders, under the usual names and in both forms."""
    for folder in folders:
        for inner in ("", "cifar10", "cifar-10", "CIFAR10"):
            for name in (*FOLDERS, *ARCHIVES, ""):
                path = folder / inner / name
                if found := _in_folder(path, split, "cifar10") or _in_archive(path, split):
                    return found
    return None


def _present(folder: Path, names: list[str]) -> list[Path]:
    return [folder / name for name in names if (folder / name).is_file()]


def _in_folder(path: Path, split: str, name: str) -> Original | None:
    present = _present(path, _names(split))
    read = partial(
        _read,
        path,
        split,
        lambda: {file.name: partial(claims.read_regular, file, LARGEST) for file in present},
    )
    location = f"{path.resolve()}/{split}"
    return Original(name, location, file_stamp(present), read) if present else None


def _in_archive(path: Path, split: str) -> Original | None:
    """Return the images of an archive whose name or first few members are those of CIFAR-10."""
    if not path.is_file():
        return None
    names: set[str] = set()
    with suppress(InputError), _listed(path, LARGEST) as (_, listed):
        names.update(PurePosixPath(member.name).name for member in islice(listed, 4))
    if not names.intersection(_names(*BATCHES)) and path.name not in ARCHIVES:
        return None
    if split not in BATCHES:
        raise SplitError(f"{path} holds CIFAR-10, which has training and test images only.")
    read = partial(_read, path, split, partial(_unpacked, path))
    return Original("cifar10", f"{path.resolve()}/{split}", file_stamp([path]), read)


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


def _read(place: Path, split: str, open_files: Callable[[], Files]) -> Samples:
    """Read the batches of a split, in the first form in which there are any."""
    files, names = open_files(), BATCHES[split]
    for suffix in PARSERS:
        if numbers := [k for k, name in enumerate(names) if f"{name}{suffix}" in files]:
            break
    else:
        raise InputError(f"{place} holds none of {', '.join(names)}. Download it again.")
    present = [f"{names[k]}{suffix}" for k in numbers]
    batches = [_batch(PARSERS[suffix], f"{place}/{name}", files[name]()) for name in present]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    notes: tuple[str, ...] = ()
    if len(numbers) < len(names):
        shown = ", ".join(str(k + 1) for k in numbers)
        notes = (
            f"Training batches present: {shown} of {len(names)}, with {len(images):,} images.",
        )
    return checked(str(place), images, labels, CLASSES, notes, "CIFAR labels")


def _batch(parse: Callable[[str, bytes], Batch], name: str, data: bytes) -> Batch:
    """Return images (n, 32, 32, 3) and labels of one batch."""
    rows, labels = parse(name, data)
    if labels.min() < 0 or labels.max() >= len(CLASSES):
        found = f"it has labels from {labels.min()} to {labels.max()}"
        raise damaged(name, f"{found}; CIFAR-10's run from 0 to {len(CLASSES) - 1}")
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels
