"""CIFAR-10 as published: binary or pickled batches, in a folder, an archive or one file."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np

from ganbaru.data import safe_pickle
from ganbaru.data.folder import whole_only
from ganbaru.data.locate import places
from ganbaru.data.source import (
    Arrays,
    Images,
    Labels,
    Original,
    SplitError,
    checked,
    of_reader,
    stamp,
)
from ganbaru.errors import InputError

RECORD = 1 + 3 * 32 * 32  # a label, then red, green and blue, each row by row
GZIP = b"\x1f\x8b"
CLASSES: tuple[str, ...] = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

Batch = tuple[Images, Labels]
Files = dict[str, Callable[[], bytes]]


@dataclass(frozen=True)
class Layout:
    """One of the two forms: what its files are called and how they are read."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    meta: str
    archive: str
    parse: Callable[[str, bytes], Batch]
    classes: Callable[[str, bytes], tuple[str, ...]]


def _parse_binary(name: str, data: bytes) -> Batch:
    if not data or len(data) % RECORD:
        raise InputError(
            f"{name} is damaged or cut off: {len(data):,} bytes are not a whole number of "
            f"{RECORD:,}-byte CIFAR-10 records. Delete it and copy or download it again."
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    return _batch(name, records[:, 1:], records[:, 0].astype(np.int64))


def _parse_pickle(name: str, data: bytes) -> Batch:
    found = safe_pickle.read(name, data)
    pixels, labels = found.get("data"), found.get("labels")
    if not isinstance(pixels, safe_pickle.Bytes) or not isinstance(labels, list):
        raise InputError(f"{name} lacks 'data' or 'labels'; it is not a batch of CIFAR-10.")
    rows, numbers = pixels.array, np.array(labels)
    if rows.ndim != 2 or rows.shape[1] != RECORD - 1 or numbers.shape != rows.shape[:1]:
        raise InputError(
            f"{name} holds data of shape {rows.shape} and {len(labels):,} labels; expected "
            f"(n, {RECORD - 1}) and n labels. Delete it and copy or download it again."
        )
    return _batch(name, rows, numbers.astype(np.int64))


def _batch(name: str, rows: Images, labels: Labels) -> Batch:
    if labels.min() < 0 or labels.max() >= len(CLASSES):
        raise InputError(
            f"{name} has labels from {labels.min()} to {labels.max()}; CIFAR-10's run from 0 to 9. "
            f"It is damaged, or a file of something else."
        )
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels


def _names_text(name: str, data: bytes) -> tuple[str, ...]:
    return tuple(data.decode("utf-8", "replace").split())


def _names_pickle(name: str, data: bytes) -> tuple[str, ...]:
    names = safe_pickle.read(name, data).get("label_names")
    return tuple(map(str, names)) if isinstance(names, list) else ()


BINARY = Layout(
    tuple(f"data_batch_{k}.bin" for k in range(1, 6)),
    ("test_batch.bin",),
    "batches.meta.txt",
    "cifar-10-binary.tar.gz",
    _parse_binary,
    _names_text,
)
PYTHON = Layout(
    tuple(f"data_batch_{k}" for k in range(1, 6)),
    ("test_batch",),
    "batches.meta",
    "cifar-10-python.tar.gz",
    _parse_pickle,
    _names_pickle,
)
LAYOUTS = (BINARY, PYTHON)


def find(split: str, data_dir: Path | None) -> Original | None:
    """Look for CIFAR-10 in the usual places and forms."""
    for place in places(data_dir):
        for root in (place, place / "cifar10", place / "cifar-10", place / "CIFAR10"):
            for path in _candidates(root):
                if found := _in_folder(path, split, "cifar10") or _in_archive(path, split):
                    return found
    return None


def opened(path: Path, head: bytes, split: str) -> Original | None:
    """Open a folder of batches, the published archive, or one batch."""
    if not path.is_dir():
        return _in_archive(path, split) if head.startswith(GZIP) else _one_file(path, head, split)
    found = _in_folder(path, split, path.resolve().name)
    if found is None and any(_present(path, files) for files in _every_file()):
        raise SplitError(f"{path} holds batches of CIFAR-10, but none of its {split} images.")
    return found


def _candidates(root: Path) -> Iterator[Path]:
    yield from (root / "cifar-10-batches-bin", root / "cifar-10-batches-py")
    yield from (root / layout.archive for layout in LAYOUTS)
    yield root


def _every_file() -> Iterator[tuple[str, ...]]:
    yield from ((*layout.train, *layout.test) for layout in LAYOUTS)


def _present(folder: Path, names: tuple[str, ...]) -> list[Path]:
    return [folder / name for name in names if (folder / name).is_file()]


def _in_folder(path: Path, split: str, name: str) -> Original | None:
    for layout in LAYOUTS:
        present = _present(path, _split(layout, split))
        if present:
            present += _present(path, (layout.meta,))
            files = {file.name: file.read_bytes for file in present}
            read = partial(_read, str(path), layout, split, partial(dict, files))
            return of_reader(name, f"{path.resolve()}/{split}", stamp(present), read)
    return None


def _in_archive(path: Path, split: str) -> Original | None:
    layout = _archive_layout(path) if path.is_file() else None
    if layout is None:
        return None
    read = partial(_read, str(path), layout, split, partial(_unpacked, path))
    return of_reader("cifar10", f"{path.resolve()}/{split}", stamp([path]), read)


def _archive_layout(path: Path) -> Layout | None:
    """Tell the layout by the first few members; None if it is no archive of CIFAR-10."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            names = {PurePosixPath(member.name).name for member in islice(archive, 4)}
    except (tarfile.TarError, EOFError, OSError, zlib.error):
        names = set()
    for layout in LAYOUTS:
        if names & {*layout.train, *layout.test, layout.meta} or path.name == layout.archive:
            return layout
    return None


def _unpacked(path: Path) -> Files:
    files: Files = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isreg() else None
                if stream and member.size < 2**26:
                    files[PurePosixPath(member.name).name] = partial(bytes, stream.read())
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InputError(
            f"{path} is damaged or cut off: it does not unpack ({error}). "
            f"Delete it and copy or download it again."
        ) from error
    return files


def _one_file(path: Path, head: bytes, split: str) -> Original | None:
    size = path.stat().st_size
    layout = BINARY if size and size % RECORD == 0 and head[0] < 10 else PYTHON
    if layout is PYTHON and not head.startswith(b"\x80"):
        return None
    if path.name not in _split(layout, split):
        whole_only(path, split)

    def read() -> Arrays:
        return checked(str(path), *layout.parse(str(path), path.read_bytes()), CLASSES)

    return of_reader(path.stem, str(path.resolve()), stamp([path]), read)


def _split(layout: Layout, split: str) -> tuple[str, ...]:
    return {"train": layout.train, "test": layout.test}[split]


def _read(place: str, layout: Layout, split: str, open_files: Callable[[], Files]) -> Arrays:
    files = open_files()
    wanted = _split(layout, split)
    present = [name for name in wanted if name in files]
    if not present:
        raise InputError(f"{place} holds none of {', '.join(wanted)}. Download it again.")
    batches = [layout.parse(f"{place}/{name}", files[name]()) for name in present]
    classes = CLASSES
    if layout.meta in files:
        classes = layout.classes(f"{place}/{layout.meta}", files[layout.meta]()) or CLASSES
    images = np.concatenate([pixels for pixels, _ in batches])
    labels = np.concatenate([numbers for _, numbers in batches])
    return checked(place, images, labels, classes, _missing_note(wanted, present, len(images)))


def _missing_note(wanted: tuple[str, ...], present: list[str], count: int) -> tuple[str, ...]:
    if len(present) == len(wanted):
        return ()
    numbers = ", ".join(str(wanted.index(name) + 1) for name in present)
    plural = "batches {} of {} are" if len(present) > 1 else "batch {} of {} is"
    which = plural.format(numbers, len(wanted))
    return (f"Only training {which} present, so there are {count:,} images.",)
