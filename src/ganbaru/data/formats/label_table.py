"""Tables of labels in files: CSV, TSV, JSON, JSON lines and words, as rows that name pictures.

StyleGAN's ``dataset.json``, Hugging Face's ``metadata.csv`` and ``.jsonl``, the CSV files of
Kaggle, lists such as ImageNet's ``val.txt`` and CelebA's ``list_attr_celeba.txt`` are read by one
set of rules. Which column names the pictures is found by their names.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ganbaru.data import claims
from ganbaru.data.formats.names import SUFFIXES, Parts, parts
from ganbaru.data.picture_file import brief
from ganbaru.errors import did_you_mean

MAX_ROWS, MAX_COLUMNS = 4_000_000, 4_096
TRIED = 1_000  # rows from which the column that names pictures is found
FILES = "filename file image imagename path filepath imagepath imageid img fname id name key"
LABELS = (
    "label labels class classname category target labelname categoryname classid labelid "
    "categoryid breed species dx diagnosis cls y"
)
FILE_WORDS, LABEL_WORDS = FILES.split(), LABELS.split()

Rows = Iterable[Sequence[object]]


class UnusableError(Exception):
    """A file does not label these pictures; the message is the reason, in a few words."""


@dataclass(frozen=True)
class Table:
    """The names of columns, and a function that reads the rows."""

    columns: tuple[str, ...]
    rows: Callable[[], Rows]
    header: bool = False  # whether the columns are the first row
    empty: bool = False  # StyleGAN's file without labels: its numbered folders are no classes


@dataclass(frozen=True)
class Labelling:
    """The labels of pictures as text, and what was left out of the file."""

    names: Mapping[Parts, str]
    column: str
    missing: int = 0  # rows without a picture


# --- parsing ------------------------------------------------------------------------------------


def parse(name: str, data: bytes) -> Table:
    """Read a file by its suffix; raises UnusableError for one that is no table."""
    suffix = posixpath.splitext(name)[1].lower()
    read = _PARSERS.get(suffix, _words)
    if len(data) > claims.MAX_TABLE:
        raise UnusableError(f"has {len(data):,} bytes, at most {claims.MAX_TABLE:,} are read")
    with faults():
        table = read(_text(data))
    if len(table.columns) > MAX_COLUMNS:
        raise UnusableError(f"has {len(table.columns):,} columns")
    return table


@contextmanager
def faults() -> Iterator[None]:
    """Turn what reading a damaged file raises into the reason why it is not used."""
    try:
        yield
    except UnusableError:
        raise
    # JSON's reader raises RecursionError for deep ones, csv's Error for endless fields; where a
    # list of pairs is expected, there may be anything.
    except Exception as error:
        raise UnusableError(f"cannot be read: {brief(error)}") from error


def _text(data: bytes) -> str:
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    return data.decode("utf-16" if marked else "utf-8-sig")


def _delimited(text: str) -> Table:
    first = text[: 2**16].lstrip().partition("\n")[0]
    mark = max(",;\t|", key=first.count)

    def rows() -> Iterator[list[str]]:
        found = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
        return (row for row in found if row)

    return Table(tuple(cell.strip() for cell in next(rows(), [])), rows, header=True)


def _words(text: str) -> Table:
    """Read words in lines; a count and a header without the file's column are CelebA's."""
    lines = text.splitlines()
    if lines and lines[0].strip().isdecimal():
        lines = lines[1:]
    first, second = (line.split() for line in (*lines[:2], "", "")[:2])
    if len(second) == len(first) + 1:
        return Table(("file", *first), lambda: (line.split() for line in lines[1:] if line.strip()))
    full = [line.split() for line in lines if line.strip()]
    return Table(tuple(first), lambda: full, header=True)


def _json(text: str) -> Table:
    found = json.loads(text)
    if isinstance(found, dict) and "labels" in found and not isinstance(found["labels"], str):
        pairs = found["labels"] or []
        pairs = [*pairs.items()] if isinstance(pairs, dict) else pairs
        return Table(("file", "label"), lambda: pairs, empty=not pairs)
    if isinstance(found, dict) and any(isinstance(each, dict) for each in found.values()):
        return of_records({"file": name, **each} for name, each in found.items())
    if isinstance(found, dict):
        return Table(("file", "label"), lambda: [*found.items()])
    return of_records(found)


def _json_lines(text: str) -> Table:
    return of_records(json.loads(line) for line in text.splitlines() if line.strip())


def of_records(records: Iterable[Mapping[str, object]]) -> Table:
    """Return a table of objects, whose columns are all their keys."""
    found = [dict(each) for each in itertools.islice(records, MAX_ROWS + 1)]
    columns = tuple(dict.fromkeys(key for each in found for key in each))
    return Table(columns, lambda: (tuple(each.get(c) for c in columns) for each in found))


_PARSERS = {".csv": _delimited, ".tsv": _delimited, ".json": _json}
_PARSERS |= {".jsonl": _json_lines, ".ndjson": _json_lines}


# --- pictures by the names in a table -----------------------------------------------------------


class Pictures:
    """The pictures of a place, found by names with or without folders and suffix."""

    def __init__(self, paths: Iterable[Parts], chosen: Iterable[Parts]) -> None:
        """Index the paths; of equal names, those `chosen` are preferred."""
        self.chosen = {*chosen}
        self._exact: set[Parts] = set()
        self._named: dict[str, list[Parts]] = defaultdict(list)
        for path in paths:
            self._exact.add(path)
            for name in {path[-1], posixpath.splitext(path[-1])[0]}:
                self._named[name].append(path)

    def find(self, value: object, folder: Parts) -> Parts | None:
        """Return the picture that a cell names in a table of `folder`; None if there is none.

        Raises UnusableError if the cell names several.
        """
        if not isinstance(value, (str, int)) or not (name := parts(str(value).strip())):
            return None
        if (path := (*folder, *name)) in self._exact:
            return path
        stem, suffix = posixpath.splitext(name[-1])
        found = self._named.get(name[-1]) or (
            self._named.get(stem, []) if suffix.lower() in SUFFIXES else []
        )
        for several in (found, [path for path in found if path in self.chosen]):
            fitting = [path for path in several if _fits(path[:-1], name[:-1])]
            below = [path for path in fitting if path[: len(folder)] == folder]
            if len(best := below or fitting) == 1:
                return best[0]
        if not fitting:
            return None
        shown = " and ".join("/".join(path) for path in fitting[:2])
        raise UnusableError(f"names {str(value)[:80]}, which may be {shown}")


def _fits(path: Parts, named: Parts) -> bool:
    """Return whether one of two lists of folders ends with the other."""
    count = min(len(path), len(named))
    return not count or path[-count:] == named[-count:]


# --- labels -------------------------------------------------------------------------------------


def label(
    table: Table, column: str | None, pictures: Pictures, folder: Parts, strict: bool
) -> Labelling:
    """Return the labels of a table in `folder` by picture; raises UnusableError with the reason.

    Without a `column` the one that is named as labels are is taken. Unless `strict`, labels that
    hardly repeat are none: numbers or identifiers of the pictures.
    """
    with faults():
        return _label(table, column, pictures, folder, strict)


def _label(
    table: Table, column: str | None, pictures: Pictures, folder: Parts, strict: bool
) -> Labelling:
    by, headless = file_column(table, pictures, folder)
    columns = tuple(map(str, range(1, len(table.columns) + 1))) if headless else table.columns
    of = label_column(columns, by, column)
    names: dict[Parts, str] = {}
    missing = 0
    for row in rows(table, headless):
        path = pictures.find(row[by], folder)
        text = label_text(row[of])
        missing += path is None
        if path is None or text is None:
            continue
        if names.setdefault(path, text) != text:
            shown = "/".join(path)
            raise UnusableError(f"gives {shown} the labels {names[path]!r} and {text!r}")
    chosen = {path: text for path, text in names.items() if path in pictures.chosen}
    count = len({*chosen.values()})
    if not strict and count > max(1, len(pictures.chosen) / 2):
        raise UnusableError(f"has {count:,} different labels: no classes")
    return Labelling(names, columns[of], missing)


def label_text(value: object) -> str | None:
    """Return a cell as a class name; None without one. Raises UnusableError for several values."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if not isinstance(value, (str, int, float)):
        raise UnusableError("has several values for a picture, which are no classes")
    text = str(value).strip()
    return re.sub(r"^(-?\d+)\.0+$", r"\1", text) or None  # numbers as pandas writes them


def rows(table: Table, headless: bool) -> Iterator[Sequence[Any]]:
    """Yield the rows after the header, each as long as it."""
    width, lists = len(table.columns), table.rows()
    for count, row in enumerate(lists):
        if not isinstance(row, (list, tuple)) or len(row) != width:
            raise UnusableError(f"has a row {count + 1:,} of other than {width} columns")
        if count > MAX_ROWS:
            raise UnusableError(f"has more than {MAX_ROWS:,} rows")
        if count or headless or not table.header:
            yield row


def file_column(table: Table, pictures: Pictures, folder: Parts) -> tuple[int, bool]:
    """Return which column names the pictures, and whether already that of the first row does."""
    found: dict[int, set[Parts]] = defaultdict(set)
    first: dict[int, int] = {}
    for number, row in enumerate(itertools.islice(rows(table, True), TRIED)):
        for k, cell in enumerate(row):
            try:
                path = pictures.find(cell, folder)
            except UnusableError:  # of a column that names none, perhaps
                continue
            if path:
                found[k].add(path)
                first.setdefault(k, number)
    if not found:
        raise UnusableError("names none of the pictures")
    words = [_word(name) for name in table.columns]
    rank = {k: (len(each), words[k] in FILE_WORDS, -k) for k, each in found.items()}
    best = max(rank, key=lambda k: rank[k])
    return best, table.header and first[best] == 0


def label_column(columns: Sequence[str], by: int | None, wanted: str | None) -> int:
    """Return which column has the labels, of those beside the one of files, `by`."""
    others = [k for k in range(len(columns)) if k != by]
    if wanted is not None:
        if wanted in columns:
            return columns.index(wanted)
        near = did_you_mean(wanted, columns)
        raise UnusableError(f"has no column {wanted!r}.{near} It has {_shown(columns)}")
    words = [_word(name) for name in columns]
    ranked = sorted((LABEL_WORDS.index(words[k]), k) for k in others if words[k] in LABEL_WORDS)
    if ranked:
        return ranked[0][1]
    if len(others) == 1:
        return others[0]
    raise UnusableError(f"has no column that is named as labels are, of {_shown(columns)}")


def _shown(columns: Sequence[str]) -> str:
    counts = Counter(columns)
    more = f" and {len(counts) - 20:,} more" if len(counts) > 20 else ""
    return ", ".join(list(counts)[:20]) + more


def _word(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()
