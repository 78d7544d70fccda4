"""The three types between a file and an array: `Original`, `Samples` and `Source`.

A format recognises a file or folder and returns an `Original`; that reads `Samples`, images still
of their own sizes; `decoding` converts those to a `Target`, and the cache returns a `Source`.
"""

from __future__ import annotations

import functools
import hashlib
import json
import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.coerce import CHANNELS, MODES, Interval, check_background, parse_range
from ganbaru.data.attributes import Attributes, Rows
from ganbaru.errors import InputError, unknown
from ganbaru.formatting import Brief

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Sizes = NDArray[np.int32]  # (n, 2): height and width
Files = Mapping[str, Callable[[], bytes]]  # functions that read picture files, by name
Progress = Callable[[int, int, str], None]  # called with (done, total, what is being done)

FITS = ("crop", "pad", "stretch")
RULES = 3  # another number when files get other labels or are left out; decoded copies are stale
HELD = 2**26  # bytes of a file map that may be in memory while it is read once
BLOCK = 256  # images handled at a time: 3 MB at 64x64 RGB, 200 MB at 512x512


class SplitError(InputError):
    """The data have no split of this name."""


class SizesError(InputError):
    """The pictures have different sizes, and none was given to convert them to."""


class RangeError(InputError):
    """Nothing says which values of the images are black and white."""


def silent(done: int, total: int, what: str) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Target:
    """The size (height, width) and channels to convert images to; None keeps those of the data."""

    size: tuple[int, int] | None = None
    channels: int | None = None
    fit: str = "crop"  # or "pad" or "stretch", for other proportions
    range: str | None = None  # LOW:HIGH, the values of black and white; "auto": those of the set
    background: str | None = None  # the colour behind transparent parts, else white

    def __post_init__(self) -> None:
        """Raise InputError for sizes and channels that no image can have."""
        if self.size is not None and not all(1 <= side <= 8192 for side in self.size):
            raise InputError(
                f"The image size {self.size[0]}x{self.size[1]} is not possible: give a height and "
                f"a width from 1 to 8192, for example --image-size 64."
            )
        if self.channels not in (None, *MODES):
            raise InputError(f"Images have {CHANNELS[0]} channels, not {self.channels}.")
        check_background(self.background, self.channels)
        if self.fit not in FITS:
            raise unknown("--fit", self.fit, FITS)
        if self.range is not None:
            parse_range(self.range)

    @property
    def interval(self) -> Interval | None:
        """The values of black and white; None for those of each type."""
        return parse_range(self.range) if self.range else None

    def keeps(self, shape: tuple[int, ...]) -> bool:
        """Return whether bytes of shape (n, H, W, C) need no conversion at all."""
        return self.range is None and shape[3] != 4 and self.fits(shape)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Return whether images of shape (n, H, W, C) keep size and channels.

        Alpha is kept only if that is wanted.
        """
        wanted = self.channels or min(shape[3], 3)
        return self.size in (None, shape[1:3]) and wanted == shape[3]


@dataclass(frozen=True)
class Want:
    """What to read of a path, where it holds several splits, label files or arrays."""

    split: str = "auto"
    label_file: str | None = None  # FILE[:COLUMN[,COLUMN]], "folders" or "none"
    key: str | None = None  # which of several arrays, sets or kinds of labels

    def located(self, path: Path | str) -> str:
        """Return the `location` of this part of a path."""
        parts = {"split": self.split * (self.split != "auto"), "labels": self.label_file}
        shown = ", ".join(f"{k} {v}" for k, v in {**parts, "key": self.key}.items() if v)
        place = path.resolve() if isinstance(path, Path) else path
        return f"{place}{f' ({shown})' if shown else ''}"


@dataclass(frozen=True)
class LeftOut:
    """Files, or parts of files, that a set does not use."""

    kind: str  # a word such as "hidden", "unreadable", "mask"
    reason: str  # in a few words
    count: int


@dataclass(frozen=True)
class Finding:
    """A warning about a set that can be trained on, but may not be what the user thinks it is."""

    code: str  # a word such as "range", "alpha", "split"
    message: str  # a sentence with the remedy


@dataclass(frozen=True)
class Samples:
    """The images of one split before conversion: decoded, or files that are still to be decoded."""

    images: NDArray[Any] | Files  # (n, H, W, C), of bytes or other values, or n picture files
    labels: Labels | None = None  # (n,)
    classes: tuple[str, ...] = ()  # names by label
    notes: tuple[str, ...] = ()  # sentences for the user
    labels_from: str = ""  # where the labels come from, such as "folders"; "" without labels
    split: str = ""  # which split this is and how it was found; "" if the set is undivided
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[Finding, ...] = ()
    attributes: Attributes | None = None  # in place of labels

    def __post_init__(self) -> None:
        """Write bytes of class names that are no UTF-8, as a folder's name may be, as escapes."""
        object.__setattr__(self, "classes", tuple(map(_escaped, self.classes)))


@dataclass(frozen=True)
class Original:
    """Images found but not read yet: cheap to make, since a cached copy may spare the reading.

    `location` and `stamp` identify the cached copy; it is stale when `stamp` has changed. Without
    a `stamp` nothing is cached.
    """

    name: str
    location: str
    stamp: str
    read: Callable[[], Samples]


@dataclass(frozen=True, repr=False)
class Source(Brief):
    """Images ready to train on, all of one size, with what is known about them."""

    name: str
    images: Images  # (n, H, W, C), C being 1, 3 or 4; may be a read-only memory map
    labels: Labels | None  # (n,)
    classes: tuple[str, ...]  # names by label, () when there are no labels
    fingerprint: str  # SHA-256 of images and labels as they are here
    notes: tuple[str, ...] = ()  # sentences for the user
    original_sizes: Sizes | None = None  # (n, 2), before cropping and resizing
    broken: tuple[str, ...] = ()  # files that could not be read, with the reason
    depth: str = ""  # the kind of the original values, such as "16-bit"
    range: str = ""  # LOW:HIGH, the smallest and the largest of them
    black_white: str = ""  # LOW:HIGH, those that became 0 and 255, if `--range` was given
    labels_from: str = ""  # these four as in `Samples`
    split: str = ""
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[Finding, ...] = ()
    attributes: Attributes | None = None

    def __post_init__(self) -> None:
        """Escape the name as class names are."""
        object.__setattr__(self, "name", _escaped(self.name))

    @functools.cached_property
    def conditions(self) -> Labels | Rows | None:
        """What networks take as the second input: labels (n,), or rows of attributes (n, A)."""
        return self.labels if self.attributes is None else self.attributes.rows


def _escaped(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def file_stamp(files: Iterable[str | Path], root: str | Path = "") -> str:
    """Describe files below `root` by path, length and modification time; changes with them."""
    lines = [f"rules {RULES}"]
    for file in files:
        try:
            stat = os.stat(os.path.join(root, file))
            lines.append(f"{file}|{stat.st_size}|{stat.st_mtime_ns}")
        except OSError:  # a dangling link, which is reported as unreadable
            lines.append(f"{file}|absent")
    return "\n".join(lines)


def undivided(path: Path, want: Want, read: Callable[[], Samples]) -> Original:
    """Return the images of a file that has no splits; raises SplitError for any but training."""
    require_train(path, want.split)
    return Original(path.stem, want.located(path), file_stamp([path]), read)


def require_train(path: Path, split: str) -> None:
    """Raise SplitError for another split than training of data that have no splits."""
    if split not in ("auto", "train", "none"):
        raise SplitError(
            f"{path} is not divided into training and test images, so it has no {split!r} split. "
            f"A folder with 'train' and 'test' sub-folders has both."
        )


def damaged(file: object, reason: str) -> InputError:
    """Return the error for a file that is damaged or incomplete."""
    return InputError(
        f"{file} is damaged or cut off: {reason}. Delete it and copy or download it again."
    )


def in_order(source: Source, classes: Sequence[str]) -> Source:
    """Return a source with its labels numbered by `classes`, if they name all of the source's.

    So a run keeps the numbers that its networks learnt, in whatever order the classes are found.
    """
    names = tuple(classes)
    if source.labels is None or source.classes == names or set(source.classes) - {*names}:
        return source
    labels = np.array([names.index(name) for name in source.classes], np.int64)[source.labels]
    digest = fingerprint(source.images, labels)
    return replace(source, labels=labels, classes=names, fingerprint=digest)


def blocks(images: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the images in blocks of BLOCK, each after the index of its first image.

    What has been read of a map is let go: it would count as this process's memory, 600 MB for
    200,000 images of 32x32.
    """
    held = 0
    for start in range(0, len(images), BLOCK):
        block = np.ascontiguousarray(images[start : start + BLOCK])
        yield start, block
        held += block.nbytes
        if held > HELD:
            held = 0
            _release(images)


def _release(images: NDArray[Any]) -> None:
    """Let go of the pages of a read-only file map; they are read again when they are needed."""
    base: Any = images
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.mode != "r":
            return  # the pages of a private map hold what was written to it
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(base, "madvise"):
        base.madvise(mmap.MADV_DONTNEED)


def labelled_fingerprint(images: str, labels: Labels | None) -> str:
    """Return the SHA-256 of what identifies images that are not in one array, and of labels."""
    data = b"" if labels is None else labels.astype("<i8").tobytes()
    return hashlib.sha256(f"{images}|{labels is not None}|".encode() + data).hexdigest()


def fingerprint(images: Images, labels: Labels | None, attributes: Attributes | None = None) -> str:
    """Return the SHA-256 of shape, pixels and labels, reading a block at a time."""
    if attributes is not None:
        names = json.dumps([each.name for each in attributes.columns])
        found = f"{fingerprint(images, labels)}|{names}|".encode()
        return hashlib.sha256(found + attributes.values.astype("<f8").tobytes()).hexdigest()
    if mark := getattr(images, "mark", ""):  # streamed
        return labelled_fingerprint(mark, labels)
    digest = hashlib.sha256(f"{images.shape}|{labels is not None}|".encode())
    for _, block in blocks(images):
        digest.update(block.data)
    if labels is not None:
        digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()
