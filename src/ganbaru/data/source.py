"""The three types between a file and an array: `Original`, `Samples` and `Source`.

A format recognises a file or folder and returns an `Original`; that reads `Samples`, images still
of their own sizes; `decoding` converts those to a `Target`, and the cache returns a `Source`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganbaru.errors import InputError

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Sizes = NDArray[np.int32]  # (n, 2): height and width
Files = Mapping[str, Callable[[], bytes]]  # functions that read picture files, by name
Progress = Callable[[int, int, str], None]  # called with (done, total, what is being done)

BLOCK = 256  # images handled at a time: 3 MB at 64x64 RGB, 200 MB at 512x512


class SplitError(InputError):
    """The data have no split of this name."""


def silent(done: int, total: int, what: str) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Target:
    """The size (height, width) and channels to convert images to; None keeps those of the data."""

    size: tuple[int, int] | None = None
    channels: int | None = None

    def __post_init__(self) -> None:
        """Raise InputError for sizes and channels that no image can have."""
        if self.size is not None and not all(1 <= side <= 8192 for side in self.size):
            raise InputError(
                f"The image size {self.size[0]}x{self.size[1]} is not possible: give a height and "
                f"a width from 1 to 8192, for example --image-size 64."
            )
        if self.channels not in (None, 1, 3):
            raise InputError(f"Images have 1 channel (grey) or 3 (RGB), not {self.channels}.")

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Return whether images of shape (n, H, W, C) need no conversion."""
        return self.size in (None, shape[1:3]) and self.channels in (None, shape[3])


@dataclass(frozen=True)
class Samples:
    """The images of one split before conversion: decoded, or files that are still to be decoded."""

    images: Images | Files  # (n, H, W, C), or n picture files
    labels: Labels | None = None  # (n,)
    classes: tuple[str, ...] = ()  # names by label
    notes: tuple[str, ...] = ()  # sentences for the user


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


@dataclass(frozen=True)
class Source:
    """Images ready to train on, all of one size, with what is known about them."""

    name: str
    images: Images  # (n, H, W, C), C being 1 or 3; may be a read-only memory map
    labels: Labels | None  # (n,)
    classes: tuple[str, ...]  # names by label, () when there are no labels
    fingerprint: str  # SHA-256 of images and labels as they are here
    notes: tuple[str, ...] = ()  # sentences for the user
    original_sizes: Sizes | None = None  # (n, 2), before cropping and resizing
    broken: tuple[str, ...] = ()  # files that could not be read, with the reason


def file_stamp(files: list[Path]) -> str:
    """Describe files by path, length and modification time; it changes when their content does."""
    found = [(str(file.resolve()), file.stat()) for file in files]
    return "\n".join(f"{name}|{stat.st_size}|{stat.st_mtime_ns}" for name, stat in found)


def fingerprint(images: Images, labels: Labels | None) -> str:
    """Return the SHA-256 of shape, pixels and labels, reading a block at a time."""
    digest = hashlib.sha256(f"{images.shape}|{labels is not None}|".encode())
    for start in range(0, len(images), BLOCK):
        digest.update(np.ascontiguousarray(images[start : start + BLOCK]).data)
    if labels is not None:
        digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()
