"""Files of several arrays by key: NumPy's .npz, HDF5 and MATLAB's .mat, by one set of rules.

Keras writes ``x_train`` and ``y_train``, MedMNIST ``train_images`` and ``train_labels``, SVHN ``X``
and ``y``: with splits in their keys, or in files beside each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.data.arrays import checked, compact
from ganbaru.data.source import (
    LeftOut,
    Original,
    Samples,
    SplitError,
    Want,
    file_stamp,
    require_train,
)
from ganbaru.errors import InputError, did_you_mean

# Pairs of keys of images and labels; {} is a split, and "_" also "/" between groups.
PAIRS = (
    *("images labels", "x_{} y_{}", "{}_images {}_labels", "{}_x {}_y", "{}_data {}_labels"),
    *("x y", "data labels", "data label", "imgs labels", "image label", "arr_0 arr_1"),
)
WORDS: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "val": ("val", "valid", "validation"),
}
NAMES = ("class_names", "classes")

Arrays = tuple[NDArray[Any], NDArray[Any] | None]  # images and labels
Orient = Callable[[NDArray[Any], NDArray[Any] | None], Arrays]
Read = Callable[[str], NDArray[Any]]  # reads the array of a key


@dataclass(frozen=True)
class Keys:
    """The keys of images and labels ("" without), and the split that they are of ("" if none)."""

    images: str
    labels: str
    split: str = ""


def original(
    path: Path, want: Want, keys: Iterable[str], read: Callable[[Keys], Samples]
) -> Original:
    """Return the images that a path's keys and the options choose; SplitError for no such split."""
    found = choose(path, [*keys], want)
    if not found.split:
        require_train(path, want.split)
    return Original(path.stem, want.located(path), file_stamp([path]), lambda: read(found))


def choose(path: Path, keys: list[str], want: Want) -> Keys:
    """Return the keys to read; raises InputError where they are not certain."""
    plain = {re.sub(r"[/\W]+", "_", key.strip("/")).lower(): key for key in keys}
    pairs = _pairs(plain)
    split = {"auto": "train", "none": "train"}.get(want.split, want.split)
    if want.key:
        return _given(path, keys, pairs, want.key, want.split)
    whole = [each for each in pairs if not each.split]
    if whole[:1]:
        return whole[0]
    divided = [each for each in pairs if each.split == split]
    if divided:
        return divided[0]
    if pairs and want.split not in ("auto", "none", "train"):
        raise SplitError(f"{path} has no {want.split!r} split; it holds {_shown(keys)}.")
    raise InputError(
        f"{path} holds {_shown(keys)}, and which are the images to train on is not known: give "
        f"--key IMAGES or --key IMAGES,LABELS, or save them as 'images' (uint8, N x H x W x C), "
        f"'labels' and 'class_names'."
    )


def _pairs(plain: Mapping[str, str]) -> list[Keys]:
    """Return the pairs that there are, of whole sets and of splits."""
    found = []
    for pair in PAIRS:
        images, labels = pair.split()
        splits = WORDS if "{}" in pair else {"": ("",)}
        for split, words in splits.items():
            for word in words:
                if key := plain.get(images.format(word)):
                    found.append(Keys(key, plain.get(labels.format(word), ""), split))
    return found


def _given(path: Path, keys: list[str], pairs: list[Keys], text: str, split: str) -> Keys:
    """Return the keys that --key names, as IMAGES, IMAGES,LABELS or IMAGES/LABELS.

    For another split than that of these keys, those of that split are returned.
    """
    parts = [text] if text in keys else text.split(",")
    if len(parts) == 1 and text not in keys:
        cuts = [k for k, letter in enumerate(text) if letter == "/"]
        both = ([text[:k], text[k + 1 :]] for k in cuts)
        parts = next((pair for pair in both if {*pair} <= {*keys}), parts)
    for part in parts[:2]:
        if part not in keys:
            near = did_you_mean(part, keys)
            raise InputError(f"{path} has no {part!r} (--key {text}).{near} It has {_shown(keys)}.")
    if len(parts) > 2:
        raise InputError(f"--key {text} names {len(parts)} arrays: give IMAGES or IMAGES,LABELS.")
    paired = {each.images: each for each in pairs}
    known = paired.get(parts[0], Keys(parts[0], ""))
    labels = parts[1] if len(parts) == 2 else known.labels
    if split in ("auto", "none", known.split) or not known.split:
        return Keys(parts[0], labels, known.split)
    other = [each for each in pairs if each.split == split]
    if other:
        return other[0]
    raise SplitError(f"{path} has no {split!r} split beside {parts[0]}; it holds {_shown(keys)}.")


def samples(
    path: Path,
    keys: Keys,
    every: Iterable[str],
    read: Read,
    origin: str,
    orient: Orient | None = None,
) -> Samples:
    """Read the images and labels of a file; `origin` is the kind of its labels.

    `orient` brings images to (N, H, W, C) and labels to (N,), if they are in another order.
    """
    found = {key.lower().strip("/"): key for key in every}
    name = next((found[each] for each in NAMES if each in found), "")
    images, labels = read(keys.images), read(keys.labels) if keys.labels else None
    if orient:
        images, labels = orient(images, labels)
    names = read(name) if name else np.zeros(0)
    if names.ndim != 1:
        raise InputError(f"{path}: {name!r} has shape {names.shape}; expected a list of names.")
    classes = tuple(_text(each) for each in names.tolist())
    made = checked(str(path), images, labels, classes, labels_from=origin)
    unused = len(found) - len({keys.images, keys.labels, name} - {""})
    left_out = (LeftOut("array", "other arrays in the file", unused),) * bool(unused)
    split = f"{keys.images} for {keys.split}" if keys.split else ""
    made = replace(made, left_out=left_out, split=split)
    if made.labels is None:
        return made
    numbers, classes = compact(made.labels, made.classes)
    return replace(made, labels=numbers, classes=classes)


def _text(name: object) -> str:
    return name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else str(name)


def _shown(keys: list[str]) -> str:
    more = f" and {len(keys) - 20:,} more" if len(keys) > 20 else ""
    return ", ".join(map(repr, sorted(keys)[:20])) + more
