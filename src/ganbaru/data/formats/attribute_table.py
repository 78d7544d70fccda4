"""Attributes of pictures in tables: several columns, or a list of numbers for each picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ganbaru.data.formats import label_table
from ganbaru.data.formats.label_table import Pictures, Table, UnusableError
from ganbaru.data.formats.names import Parts

ALL = "*"


@dataclass(frozen=True)
class Cells:
    """The cells of the columns wanted, by picture."""

    columns: tuple[str, ...]
    rows: Mapping[Parts, Sequence[object]]
    missing: int  # rows without a picture


def wanted(table: Table, text: str) -> list[str]:
    """Return which columns ``A,B`` names as attributes, ["*"] for all; [] for a column of classes.

    A single column of numbers that are not all whole is an attribute, too, as is ``A,``.
    """
    if text in table.columns:
        return [text] * _continuous(table, table.columns.index(text))
    return [name.strip() for name in text.split(",") if name.strip()] if _several(text) else []


def _several(text: str) -> bool:
    return text == ALL or "," in text


def _continuous(table: Table, column: int) -> bool:
    """Return whether a column has numbers alone, and not whole ones alone."""
    whole = True
    for row in label_table.rows(table, False):
        try:
            value = float(row[column])
        except (TypeError, ValueError):
            return False
        whole &= not math.isfinite(value) or value.is_integer()
    return not whole


def read(table: Table, names: Sequence[str], pictures: Pictures, folder: Parts) -> Cells:
    """Return the cells of columns by picture; raises UnusableError with the reason."""
    with label_table.faults():
        table = _spread(table)
        by, headless = label_table.file_column(table, pictures, folder)
        columns = tuple(map(str, range(1, len(table.columns) + 1))) if headless else table.columns
        if [*names] == [ALL]:
            names = [name for k, name in enumerate(columns) if k != by]
        if len({*names}) < len(names):
            raise UnusableError(f"is to give the column {max(names, key=names.count)!r} twice")
        of = [label_table.label_column(columns, by, name) for name in names]
        rows: dict[Parts, list[object]] = {}
        missing = 0
        for row in label_table.rows(table, headless):
            path, cells = pictures.find(row[by], folder), [row[k] for k in of]
            missing += path is None
            if path and rows.setdefault(path, cells) != cells:
                raise UnusableError(f"gives {'/'.join(path)} two different rows")
        return Cells(tuple(names), rows, missing)


def _spread(table: Table) -> Table:
    """Return a table whose lists of numbers, such as StyleGAN's vectors, are columns 0, 1, ..."""
    first = next(iter(label_table.rows(table, False)), ())
    lists = [k for k, cell in enumerate(first) if isinstance(cell, list)]
    if len(lists) != 1:
        return table
    (k,), length = lists, len(first[lists[0]])

    def flat(row: Sequence[object]) -> list[object]:
        cell = row[k]
        if not isinstance(cell, list) or len(cell) != length:
            raise UnusableError(f"has lists of other than {length} numbers")
        return [*row[:k], *cell, *row[k + 1 :]]

    columns = (*table.columns[:k], *map(str, range(length)), *table.columns[k + 1 :])
    return Table(columns, lambda: map(flat, label_table.rows(table, False)), table.header)
