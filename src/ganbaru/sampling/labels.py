"""Labels of images to make: from what users give to class numbers or rows of attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.data.attributes import Attribute, Rows, example_rows, row
from ganbaru.errors import InputError, did_you_mean

# A number or a name for all, or one for each; an array (N,) holds numbers, never names. Attributes
# are texts or dictionaries; an array (N, A) holds rows of them, scaled to [-1, 1].
Label = int | str | Mapping[str, Any]
Labels = Label | Sequence[Label] | NDArray[Any] | None
Classes = tuple[str, ...]
Inputs = NDArray[np.int64 | np.float32]  # what networks take: numbers (N,), or rows (N, A)


def class_numbers(classes: Classes, seeds: Sequence[int], label: Labels) -> NDArray[np.int64]:
    """Return class numbers (N,) for seeds: one label for all, or one for each.

    "name:7" and "index:7" are the class named 7 and the class of number 7. A bare 7 that is both,
    of different classes, raises InputError, as does any that is neither.
    """
    return np.array([_number(classes, each) for each in _for_each(seeds, label)], np.int64)


def groups(inputs: Inputs | None, count: int) -> list[NDArray[np.int64]]:
    """Return the places of each class among `count` images; all together without classes."""
    if inputs is None or inputs.ndim == 2:
        return [np.arange(count)]
    return [np.flatnonzero(inputs == label) for label in np.unique(inputs)]


def attribute_rows(attributes: Sequence[Attribute], seeds: Sequence[int], label: Labels) -> Rows:
    """Return rows (N, A) of attributes for seeds, by default those of training images in turn.

    Raises InputError for an unknown name and a value outside its range.
    """
    if label is None:
        return example_rows(attributes, seeds)
    if isinstance(label, np.ndarray) and label.shape == (len(seeds), len(attributes)):
        return label.astype(np.float32)
    given = _for_each(seeds, label)
    if wrong := [each for each in given if not isinstance(each, (str, Mapping))]:
        given = [str(wrong[0])]
    return np.stack([row(attributes, each) for each in given])


def _for_each(seeds: Sequence[int], label: Labels) -> list[Any]:
    """Return a label for each seed; raises InputError for another number of them."""
    one = isinstance(label, (int, str, np.integer, Mapping)) or label is None
    labels = [label] * len(seeds) if one else list(label)  # type: ignore[arg-type]
    if len(labels) != len(seeds):
        raise InputError(
            f"Got {len(labels)} labels for {len(seeds)} seeds: give one for each, or one for all."
        )
    return labels


def _number(classes: Classes, label: Label | np.integer) -> int:
    """Return the class's number that a label names; raises InputError for none, and for two."""
    text = str(label)
    way, _, given = text.partition(":")
    if isinstance(label, np.integer) or (way == "index" and text not in classes):
        found = {_numbered(classes, given or text)} - {None}
    elif way == "name" and given in classes and text not in classes:
        found = {classes.index(given)}
    else:
        found = {_named(classes, text), _numbered(classes, text)} - {None}
    if len(found) == 1 and (only := found.pop()) is not None:
        return only
    if found:
        raise InputError(_two_readings(classes, text))
    names = ", ".join(name if name == str(i) else f"{i} ({name})" for i, name in enumerate(classes))
    hint = "" if text.isdigit() else did_you_mean(text, classes)
    raise InputError(f"Label {text!r} is out of range.{hint} This generator's labels: {names}.")


def _named(classes: Classes, text: str) -> int | None:
    """Return the class of a name, or of a number that is written otherwise, such as 7 for 07.

    None if there is none.
    """
    if text in classes or not (text.isascii() and text.isdecimal()):
        return classes.index(text) if text in classes else None
    same = [name for name in classes if name.isascii() and name.isdecimal()]
    same = [name for name in same if name.lstrip("0") == text.lstrip("0")]
    return classes.index(same[0]) if same else None


def _numbered(classes: Classes, text: str) -> int | None:
    """Return the class of a number, None if there is none."""
    whole = text.isascii() and text.isdecimal() and len(text) < 20
    return int(text) if whole and int(text) < len(classes) else None


def _two_readings(classes: Classes, text: str) -> str:
    index = _named(classes, text)
    name = "" if index is None else classes[index]
    return (
        f"Label {text} has two readings: the class named {name}, which is number {index}, and "
        f"class number {int(text)}, which is named {classes[int(text)]}. Give name:{name} "
        f"or index:{int(text)}."
    )
