"""Parquet files of images, as the Hugging Face hub has them, by pyarrow, an extra.

A column holds picture files, as bytes or as {bytes, path}; another may hold labels, whose names
are in the file's metadata. One or two row groups are in memory at a time.
"""

from __future__ import annotations

import functools
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.data import claims
from ganbaru.data.arrays import compact
from ganbaru.data.formats import names, splits
from ganbaru.data.formats.label_table import LABEL_WORDS
from ganbaru.data.picture_file import brief
from ganbaru.data.source import LeftOut, Original, Samples, Want, damaged, file_stamp
from ganbaru.errors import InputError, did_you_mean, missing_extra

MARK = b"PAR1"
IMAGE_WORDS = ("image", "img", "images", "picture", "photo", "jpg", "png")
MOST_FOLDERS = 16  # in a folder that is searched for files
_PART = re.compile(r"-\d+-of-\d+.*$")  # of a name on the hub: train-00000-of-00005-0a1b.parquet

Features = Mapping[str, Any]  # by column, as the hub describes them


@dataclass(frozen=True)
class Group:
    """Some rows of a table, of which `read` returns a column."""

    rows: int
    read: Callable[[str], Any]


class Rows(Mapping[str, Callable[[], bytes]]):
    """The picture files in some rows of a column, by their number.

    Files that a cell names without holding them are read below `root` alone.
    """

    def __init__(
        self, groups: Sequence[Group], column: str, kept: NDArray[Any], root: Path | None
    ) -> None:
        """Take the rows of all groups where `kept` is true."""
        counts = [group.rows for group in groups]
        self._group = np.repeat(np.arange(len(groups)), counts)[kept]
        self._row = np.concatenate([np.arange(count) for count in counts])[kept]
        self._root, self._lock = root, threading.Lock()
        # Threads read a block of pictures, which may begin in one group and end in the next.
        self._column = functools.lru_cache(2)(lambda group: groups[group].read(column))

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self._row)

    def __iter__(self) -> Iterator[str]:
        """Yield the numbers of the pictures, as text."""
        return (f"row {number}" for number in range(len(self)))

    def __getitem__(self, name: str) -> Callable[[], bytes]:
        """Return a function that reads a picture."""
        return functools.partial(self._read, int(name.removeprefix("row ")))

    def _read(self, number: int) -> bytes:
        with self._lock:
            column = self._column(int(self._group[number]))
        cell = column[int(self._row[number])].as_py()
        data, path = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, "")
        if data is None and path and self._root:
            file = (self._root / path).resolve()
            if file.is_relative_to(self._root.resolve()):
                return claims.read_regular(file)
        if data is None:
            raise ValueError("the picture is not in the file")
        return bytes(data)


def recognize(path: Path, head: bytes, want: Want) -> Original | None:
    """Return the images of a Parquet file, or of a folder of such files."""
    found = _files(path, 2) if path.is_dir() else [path] * head.startswith(MARK)
    if not found:
        return None
    if path.is_dir():
        folders = [file.relative_to(path) for file in found]
        parts = [(*file.parts[:-1], _PART.sub("", file.stem), "0.png") for file in folders]
    else:
        parts = [("0.png",)]
    choice = splits.choose(path, parts, want.split)
    chosen = [found[place] for place in choice.places]
    divided = len(chosen) < len(found)
    split = f"{len(chosen):,} of {len(found):,} files, by their names" if divided else ""
    located = want.located(path)

    def read() -> Samples:
        opened = [_open(file) for file in chosen]
        for file, (_, schema, _) in zip(chosen, opened, strict=True):
            if schema.names != opened[0][1].names:
                raise InputError(
                    f"{file} has the columns {', '.join(schema.names)}, and {chosen[0]} has "
                    f"{', '.join(opened[0][1].names)}. Give the path of one of them."
                )
        groups = [group for groups, _, _ in opened for group in groups]
        made = samples(located, groups, opened[0][1], opened[0][2], want.key)
        return replace(made, split=split)

    return Original(path.stem, located, file_stamp(chosen), read)


def _files(folder: Path, depth: int) -> list[Path]:
    """Return the Parquet files of a folder, or of the few folders in it."""
    inside = sorted(each for each in folder.iterdir() if not each.name.startswith("."))
    if any(names.is_picture(each.name) for each in inside):
        return []
    # metadata.parquet has labels of pictures beside it.
    files = [each for each in inside if each.suffix == ".parquet"]
    found = [each for each in files if each.stem != "metadata"]
    if found or not depth or len(inside) > MOST_FOLDERS:
        return found
    return [file for each in inside if each.is_dir() for file in _files(each, depth - 1)]


@contextmanager
def _faults(path: Path | str) -> Iterator[None]:
    """Turn what pyarrow raises for damaged files into one error."""
    try:
        yield
    except (InputError, ImportError):
        raise
    except Exception as error:
        raise damaged(path, brief(error)) from error


def _open(path: Path) -> tuple[list[Group], Any, Features]:
    """Return the row groups of a file, its schema, and what the hub says of its columns."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise missing_extra(
            f"{path} is a Parquet file and is read by pyarrow", "parquet"
        ) from error
    with _faults(path):
        about = parquet.read_metadata(path)
        schema = about.schema.to_arrow_schema()
        described = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        groups = [about.row_group(k) for k in range(about.num_row_groups)]
        for group in groups:
            claims.require(group.total_byte_size, path.stat().st_size)
    read = functools.partial(_column, path)
    made = [Group(each.num_rows, functools.partial(read, k)) for k, each in enumerate(groups)]
    return made, schema, described.get("info", {}).get("features", {})


def _column(path: Path, group: int, column: str) -> Any:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        return file.read_row_group(group, columns=[column], use_threads=False).column(column)


def samples(
    place: str,
    groups: Sequence[Group],
    schema: Any,
    features: Features,
    key: str | None,
    root: Path | None = None,
) -> Samples:
    """Return the images and labels in the row groups of a table.

    `key` is IMAGES or IMAGES,LABELS, the names of columns; without it they are found.
    """
    image, label = _columns(place, schema, features, key)
    count = sum(group.rows for group in groups)
    if not label or not groups:
        return Samples(Rows(groups, image, np.ones(count, bool), root))
    with _faults(place):
        values = [each for group in groups for each in group.read(label).to_pylist()]
    known = np.array([each is not None and each != -1 for each in values])  # -1: a hidden label
    if not known.any():
        return Samples(Rows(groups, image, ~known, root))
    kept = [each for each, one in zip(values, known.tolist(), strict=True) if one]
    if all(type(each) is int for each in kept):
        classes = tuple(features.get(label, {}).get("names") or ())
        if not 0 <= min(kept) <= max(kept) < (len(classes) or 2**63):
            raise InputError(f"{place}: {label!r} has labels from {min(kept)} to {max(kept)}.")
        labels, classes = compact(np.array(kept), classes)
    else:
        classes = names.in_order(map(str, kept))
        numbers = {name: number for number, name in enumerate(classes)}
        labels = np.array([numbers[str(each)] for each in kept], np.int64)
    lost = LeftOut("unlabelled", f"pictures without a {label}", len(values) - len(kept))
    return Samples(
        Rows(groups, image, known, root),
        labels,
        classes,
        labels_from=f"column {label}",
        left_out=(lost,) * bool(lost.count),
    )


def _columns(place: str, schema: Any, features: Features, key: str | None) -> tuple[str, str]:
    """Return the columns of images and labels ("" if there is none)."""
    kinds = {field.name: str(field.type) for field in schema}
    pictures = [name for name, kind in kinds.items() if "binary" in kind and "list" not in kind]
    if key:
        image, _, label = key.partition(",")
        for name in filter(None, (image, label)):
            if name not in kinds:
                near = did_you_mean(name, kinds)
                raise InputError(f"{place} has no column {name!r} (--key {key}).{near}")
        return image, label or _label(kinds, features, image)
    named = [name for word in IMAGE_WORDS for name in pictures if name.lower() == word]
    if not named and len(pictures) != 1:
        raise InputError(
            f"{place} has the columns {', '.join(kinds)}, and which holds picture files is not "
            f"certain: give --key IMAGES or --key IMAGES,LABELS."
        )
    image = (named or pictures)[0]
    return image, _label(kinds, features, image)


def _label(kinds: Mapping[str, str], features: Features, image: str) -> str:
    """Return the column of labels: named as they are, or the only one described as classes."""
    plain = [name for name, kind in kinds.items() if re.match("u?int|(large_)?string", kind)]
    named = [n for word in LABEL_WORDS for n in plain if n.lower() == word and n != image]
    described = [n for n in plain if features.get(n, {}).get("_type") == "ClassLabel"]
    return (named or (described if len(described) == 1 else []) or [""])[0]
