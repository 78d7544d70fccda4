"""Attributes: several facts of each image as numbers, such as smiling 1 and angle 0.3.

Networks take them as rows (N, A), each column scaled from its range in the data to [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness
from ganbaru.errors import InputError, did_you_mean
from ganbaru.records import Range

MAX_ATTRIBUTES = 256
EXAMPLES = 64  # of the data's rows, which a generator takes by default
KINDS = ("binary", "number")
CONTRASTED = 8  # attributes that a grid shows at both ends
WORDS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
Rows = NDArray[np.float32]
Finite = Annotated[float, Range(-1e30, 1e30)]


@dataclass(frozen=True)
class Attribute:
    """The name, kind and range of an attribute, as the training set has them.

    `usual` is the most frequent value of a binary one (0 or 1) and the mean of a number. `examples`
    are its values for some images, the same ones for all attributes.
    """

    name: Annotated[str, Range(1, 1000)]
    kind: str
    low: Finite
    high: Finite
    usual: Finite
    examples: Annotated[tuple[Finite, ...], Range(1, EXAMPLES)]

    def __post_init__(self) -> None:
        """Raise ValueError for a range that is none and values outside it."""
        values = (self.usual, *self.examples)
        if self.kind not in KINDS or not self.low < self.high:
            raise ValueError(f"{self.name!r} has no kind ({', '.join(KINDS)}) or no range")
        if not all(self.low <= value <= self.high for value in values):
            raise ValueError(f"{self.name!r} has values outside its range")

    def __str__(self) -> str:
        if self.kind == "binary":
            return f"{self.name} 0 or 1"
        return f"{self.name} {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Attributes:
    """The attributes of an image set: what is known of each, and its values (n, A)."""

    columns: tuple[Attribute, ...]
    values: NDArray[np.float64]

    @property
    def rows(self) -> Rows:
        """The values as networks take them: (n, A), each column scaled to [-1, 1]."""
        return scaled(self.columns, self.values)

    def of(self, chosen: Any) -> Attributes:
        """Return those of some of the images."""
        return replace(self, values=self.values[chosen])

    def facts(self) -> list[dict[str, Any]]:
        """Return the columns as plain values."""
        return [{**asdict(each), "examples": [*each.examples]} for each in self.columns]


def from_facts(data: Mapping[str, Any]) -> tuple[Attribute, ...]:
    """Return the attributes in a checked description of data, () in older files.

    They are read as they are from a checkpoint's header, and as `Attribute` from about.json.
    """
    return tuple(
        each
        if isinstance(each, Attribute)
        else Attribute(**{**each, "examples": tuple(each["examples"])})
        for each in data.get("attributes", [])
    )


def scaled(columns: Sequence[Attribute], values: NDArray[np.float64]) -> Rows:
    """Return values (n, A) as rows, each column's range scaled to [-1, 1]."""
    low, high = (np.array([getattr(c, end) for c in columns]) for end in ("low", "high"))
    return np.asarray(2 * (values - low) / (high - low) - 1, np.float32)


def unscaled(columns: Sequence[Attribute], rows: Rows) -> NDArray[np.float64]:
    """Return rows (n, A) as values in the attributes' own ranges."""
    low, high = (np.array([getattr(c, end) for c in columns]) for end in ("low", "high"))
    return low + (rows.astype(np.float64) + 1) / 2 * (high - low)


def read(names: Sequence[str], cells: Sequence[Sequence[object]], of: Sequence[str]) -> Attributes:
    """Return the attributes of cells (n rows of A), each row that of the picture named in `of`.

    A column of 0 and 1, -1 and 1, true and false or yes and no is binary, others are numbers.
    Raises ValueError, with the reason, for a value that is missing or no number, and a column in
    which all are equal.
    """
    if len(names) > MAX_ATTRIBUTES:
        raise ValueError(f"has {len(names)} attributes, and at most {MAX_ATTRIBUTES} are taken")
    values = np.array(
        [
            [_number(cell, name, of[i]) for name, cell in zip(names, row, strict=True)]
            for i, row in enumerate(cells)
        ]
    )
    examples = randomness.permutation(0, "examples of attributes", 0, len(values))[:EXAMPLES]
    found = []
    for k, name in enumerate(names):
        column = values[:, k]
        low, high = float(column.min()), float(column.max())
        if low == high:
            raise ValueError(f"has {low:g} for all pictures in the column {name!r}: leave it out")
        if ends := {*np.unique(column)} in ({0.0, 1.0}, {-1.0, 1.0}):
            column[:] = column > 0
            low, high = 0.0, 1.0
        usual = float(column.mean() > 0.5) if ends else min(max(float(column.mean()), low), high)
        some = tuple(column[examples].tolist())
        found.append(Attribute(name, KINDS[not ends], low, high, usual, some))
    return Attributes(tuple(found), values)


def _number(cell: object, name: str, picture: str) -> float:
    text = str("" if cell is None else cell).strip()
    try:
        value = WORDS[text.lower()] if text.lower() in WORDS else float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= 1e30:
        what = f"{text[:40]!r}, no number," if text and text.lower() != "nan" else "no value"
        raise ValueError(
            f"has {what} of {name!r} for {picture}: give numbers, 0/1, -1/1, true/false or yes/no "
            f"for every picture, or leave the column or the picture's row out"
        )
    return value


def matched(attributes: Attributes | None, columns: Sequence[Attribute]) -> Attributes | None:
    """Return another split's attributes in the ranges of the training images; None without."""
    if attributes is None or [c.name for c in attributes.columns] != [c.name for c in columns]:
        return None
    return replace(attributes, columns=tuple(columns))


# --- what users give ------------------------------------------------------------------------------


def example_rows(columns: Sequence[Attribute], places: Sequence[int]) -> Rows:
    """Return rows (N, A) of training images, by place among the examples, from the first again."""
    values = np.array([column.examples for column in columns]).T
    return scaled(columns, values[np.asarray(places, np.int64) % len(values)])


def contrasts(columns: Sequence[Attribute], places: Sequence[int]) -> Rows:
    """Return rows (N * 2K, A): each example with each of K attributes at its low and high end.

    K is the number of attributes, at most 8; the other attributes are the example's.
    """
    count = min(len(columns), CONTRASTED)
    rows = np.repeat(example_rows(columns, places), 2 * count, axis=0)
    for k in range(count):
        rows[2 * k :: 2 * count, k], rows[2 * k + 1 :: 2 * count, k] = -1, 1
    return rows


def row(columns: Sequence[Attribute], given: str | Mapping[str, Any]) -> Rows:
    """Return the row (A,) of ``smiling=1,angle=0.3``, or of a dictionary of these.

    Attributes that are not named have their usual value. Raises InputError for an unknown name and
    a value outside its range.
    """
    named = _named(columns, given) if isinstance(given, str) else given
    values = {column.name: column.usual for column in columns}
    for name, value in named.items():
        if name not in values:
            hint = did_you_mean(name, values)
            raise InputError(
                f"There is no attribute {name!r}.{hint} This generator's are {shown(columns)}."
            )
        values[name] = _within(next(c for c in columns if c.name == name), value)
    return scaled(columns, np.array([[*values.values()]]))[0]


def _named(columns: Sequence[Attribute], text: str) -> dict[str, str]:
    pairs = [part.rpartition("=") for part in text.split(",")]
    if wrong := [value for name, _, value in pairs if not name]:
        raise InputError(
            f"Give attributes as NAME=VALUE, not {wrong[0]!r}: for example "
            f"{columns[0].name}={columns[0].high:g}. This generator's are {shown(columns)}."
        )
    return {name.strip(): value for name, _, value in pairs}


def _within(column: Attribute, value: object) -> float:
    try:
        number = float(WORDS.get(str(value).strip().lower(), value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not column.low <= number <= column.high or (
        column.kind == "binary" and number not in (0, 1)
    ):
        allowed = "0 or 1" if column.kind == "binary" else f"{column.low:g} to {column.high:g}"
        raise InputError(
            f"{column.name}={value} is out of range: give {allowed}, as in the training images."
        )
    return number


def shown(columns: Sequence[Attribute]) -> str:
    """Return names and ranges in one line, of 20 attributes at most."""
    more = f" and {len(columns) - 20} more" if len(columns) > 20 else ""
    return ", ".join(map(str, columns[:20])) + more
