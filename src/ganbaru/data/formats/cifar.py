"""CIFAR-10 as published: binary or pickled batches, in a folder or a packed archive."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np

from ganbaru.data.arrays import checked
from ganbaru.data.formats import cifar_pickle
from ganbaru.data.source import Files, Images, Labels, Original, Samples, SplitError, file_stamp
from ganbaru.errors import InputError

RECORD = 1 + 3 * 32 * 32  # a label, then red, green and blue, each row by row
GZIP = b"\x1f\x8b"
DAMAGED = (tarfile.TarError, EOFError, OSError, zlib.error)
_NAMES = "airplane automobile bird cat deer dog frog horse ship truck"
CLASSES = tuple(_NAMES.split())

Batch = tuple[Images, Labels]  # rows (n, 3072), labels (n,)


def _parse_binary(name: str, data: bytes) -> Batch:
    if not data or len(data) % RECORD:
        raise InputError(
            f"{name} is damaged or cut off: {len(data):,} bytes are not a whole number of "
            f"{RECORD:,}-byte CIFAR-10 records. Delete it and copy or download it again."
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    return records[:, 1:], records[:, 0].astype(np.int64)


def _parse_pickle(name: str, data: bytes) -> Batch:
    rows, labels = cifar_pickle.read(name, data)
    if rows.shape != (len(labels), RECORD - 1) or not len(labels):
        raise InputError(
            f"{name} holds data of shape {rows.shape} and {len(labels):,} labels; expected "
            f"(n, {RECORD - 1}) and n labels. Delete it and copy or download it again."
        )
    return rows, labels


@dataclass(frozen=True)
class Form:
    """One of the two published forms: the names of its files, and how they are read."""

    suffix: str
    archive: str
    parse: Callable[[str, bytes], Batch]

    def batches(self, split: str) -> tuple[str, ...]:
        """Return the file names of a split."""
        names = {"train": [f"data_batch_{k}" for k in range(1, 6)], "test": ["test_batch"]}[split]
        return tuple(name + self.suffix for name in names)

    def all_batches(self) -> tuple[str, ...]:
        """Return the file names of both splits."""
        return self.batches("train") + self.batches("test")


FORMS = (
    Form(".bin", "cifar-10-binary.tar.gz", _parse_binary),
    Form("", "cifar-10-python.tar.gz", _parse_pickle),
)


def recognize(path: Path, head: bytes, split: str) -> Original | None:
    """Return the images of a folder of batches or of the published archive."""
    if not path.is_dir():
        return _in_archive(path, split) if head.startswith(GZIP) else None
    found = _in_folder(path, split, path.resolve().name)
    if found is None and any(_present(path, form.all_batches()) for form in FORMS):
        raise SplitError(f"{path} holds batches of CIFAR-10, but none of its {split} images.")
    return found


def find(folders: list[Path], split: str) -> Original | None:
    """Look for CIFAR-10 in these folders, under the usual names and in both forms."""
    for folder in folders:
        for root in (folder, folder / "cifar10", folder / "cifar-10", folder / "CIFAR10"):
            for path in _candidates(root):
                if found := _in_folder(path, split, "cifar10") or _in_archive(path, split):
                    return found
    return None


def _candidates(root: Path) -> Iterator[Path]:
    yield from (root / "cifar-10-batches-bin", root / "cifar-10-batches-py")
    yield from (root / form.archive for form in FORMS)
    yield root


def _present(folder: Path, names: tuple[str, ...]) -> list[Path]:
    return [folder / name for name in names if (folder / name).is_file()]


def _in_folder(path: Path, split: str, name: str) -> Original | None:
    for form in FORMS:
        if present := _present(path, form.batches(split)):
            files = {file.name: file.read_bytes for file in present}
            read = partial(_read, str(path), form, split, partial(dict, files))
            return Original(name, f"{path.resolve()}/{split}", file_stamp(present), read)
    return None


def _in_archive(path: Path, split: str) -> Original | None:
    form = _archive_form(path) if path.is_file() else None
    if form is None:
        return None
    read = partial(_read, str(path), form, split, partial(_unpacked, path))
    return Original("cifar10", f"{path.resolve()}/{split}", file_stamp([path]), read)


def _archive_form(path: Path) -> Form | None:
    """Return the form by the first few members; None if it is no archive of CIFAR-10."""
    names = set()
    try:
        with tarfile.open(path, "r:gz") as archive:
            names = {PurePosixPath(member.name).name for member in islice(archive, 4)}
    except DAMAGED:
        pass
    for form in FORMS:
        if names.intersection(form.all_batches()) or path.name == form.archive:
            return form
    return None


def _unpacked(path: Path) -> Files:
    files: dict[str, Callable[[], bytes]] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isreg() else None
                if stream and member.size < 2**26:
                    files[PurePosixPath(member.name).name] = partial(bytes, stream.read())
    except DAMAGED as error:
        raise InputError(
            f"{path} is damaged or cut off: it does not unpack ({error}). "
            f"Delete it and copy or download it again."
        ) from error
    return files


def _read(place: str, form: Form, split: str, open_files: Callable[[], Files]) -> Samples:
    files, wanted = open_files(), form.batches(split)
    present = [name for name in wanted if name in files]
    if not present:
        raise InputError(f"{place} holds none of {', '.join(wanted)}. Download it again.")
    batches = [_batch(form, f"{place}/{name}", files[name]()) for name in present]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return checked(place, images, labels, CLASSES, _missing_note(wanted, present, len(images)))


def _batch(form: Form, name: str, data: bytes) -> Batch:
    """Return images (n, 32, 32, 3) and labels of one batch."""
    rows, labels = form.parse(name, data)
    if labels.min() < 0 or labels.max() >= len(CLASSES):
        raise InputError(
            f"{name} has labels from {labels.min()} to {labels.max()}; CIFAR-10's run from 0 to 9. "
            f"It is damaged, or a file of something else."
        )
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels


def _missing_note(wanted: tuple[str, ...], present: list[str], count: int) -> tuple[str, ...]:
    if len(present) == len(wanted):
        return ()
    numbers = ", ".join(str(wanted.index(name) + 1) for name in present)
    return (f"Training batches present: {numbers} of {len(wanted)}, with {count:,} images.",)
