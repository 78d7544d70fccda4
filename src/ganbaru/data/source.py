"""What every kind of data has in common: the Source users get and the Original it is made from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.errors import InputError

if TYPE_CHECKING:
    from ganbaru.data.sink import Sink

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Progress = Callable[[int, int, str], None]

BLOCK = 256  # images handled at a time: 3 MB at 64x64 RGB, 200 MB at 512x512
MOST_CLASSES = 65_536  # a label beyond this is a damaged file rather than a class


class SplitError(InputError):
    """The data are not divided so: there is no such split."""


def silent(done: int, total: int, what: str) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Sizes:
    """Least, median and greatest sides of the original pictures, and how many stand or lie."""

    heights: tuple[int, int, int]
    widths: tuple[int, int, int]
    portrait: int
    landscape: int
    square: int

    @classmethod
    def uniform(cls, count: int, height: int, width: int) -> Sizes:
        """Describe `count` pictures of one size."""
        return cls.of(np.broadcast_to(np.array([height, width]), (count, 2)))

    @classmethod
    def of(cls, sides: NDArray[np.integer]) -> Sizes:
        """Summarise (n, 2) heights and widths."""
        height, width = sides[:, 0], sides[:, 1]
        return cls(
            heights=(int(height.min()), int(np.median(height)), int(height.max())),
            widths=(int(width.min()), int(np.median(width)), int(width.max())),
            portrait=int((height > width).sum()),
            landscape=int((height < width).sum()),
            square=int((height == width).sum()),
        )


@dataclass(frozen=True)
class Source:
    """Images ready to train on, all of one size, with what is known about them."""

    name: str
    images: Images  # (n, H, W, C), C being 1 or 3; may be a read-only memory map
    labels: Labels | None  # (n,)
    classes: tuple[str, ...]  # names by label, () when there are no labels
    fingerprint: str  # SHA-256 of images and labels as they are here, wherever they came from
    notes: tuple[str, ...] = ()  # sentences the user must be told
    sizes: Sizes | None = None  # of the originals, before cropping and resizing
    broken: tuple[str, ...] = ()  # files that could not be read, with the reason


@dataclass(frozen=True)
class Want:
    """The size (height, width) and channels asked for; None keeps what the data has."""

    size: tuple[int, int] | None = None
    channels: int | None = None

    def __post_init__(self) -> None:
        """Refuse sizes and channels that no image can have."""
        if self.size is not None and not all(1 <= side <= 8192 for side in self.size):
            raise InputError(
                f"The image size {self.size[0]}x{self.size[1]} is not possible: give a height and "
                f"a width from 1 to 8192, for example --image-size 64."
            )
        if self.channels not in (None, 1, 3):
            raise InputError(f"Images have 1 channel (grey) or 3 (RGB), not {self.channels}.")


@dataclass(frozen=True)
class Details:
    """All that decoding finds out besides the pixels."""

    labels: Labels | None
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    sizes: Sizes
    broken: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arrays:
    """Images already decoded, at their native size; `checked` is the way to make one."""

    images: Images
    labels: Labels | None = None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Original:
    """Data found but not decoded yet: cheap to make, since a cached copy may spare the decoding.

    `place` and `contents` name the cached copy; when `contents` changes, the copy is stale.
    Without `contents` nothing is cached. `mapped` is set when the file can be used as it lies.
    """

    name: str
    place: str
    contents: str
    decode: Callable[[Want, Sink, Progress], Details]
    mapped: Callable[[], Arrays] | None = None


def stamp(files: list[Path]) -> str:
    """Describe files by path, length and time of change: equal stamps mean equal contents."""
    found = [(str(file.resolve()), file.stat()) for file in files]
    return "\n".join(f"{name}|{stat.st_size}|{stat.st_mtime_ns}" for name, stat in found)


def of_reader(name: str, place: str, contents: str, read: Callable[[], Arrays]) -> Original:
    """Make an Original of a function that returns all images at once."""
    from ganbaru.data.resize import pour

    def decode(want: Want, sink: Sink, progress: Progress) -> Details:
        return pour(name, read(), want, sink, progress)

    return Original(name, place, contents, decode)


def of_arrays(
    name: str,
    images: Images,
    labels: Labels | None = None,
    classes: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Original:
    """Make an Original of arrays in memory: the easy way to write a data set of one's own."""
    arrays = checked(name, images, labels, classes, notes)
    return of_reader(name, "", "", lambda: arrays)


def checked(
    name: str,
    images: NDArray[Any],
    labels: NDArray[Any] | None = None,
    classes: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Arrays:
    """Return the arrays in the form everything else relies on, or say what is wrong with them."""
    shaped = _checked_images(name, images)
    if labels is None:
        return Arrays(shaped, None, (), notes)
    whole = _checked_labels(name, labels, len(shaped))
    count = int(whole.max()) + 1
    if classes and len(classes) < count:
        raise InputError(
            f"{name}: label {count - 1} has no name, since there are only {len(classes)} class "
            f"names. Give one name for each label from 0 on."
        )
    return Arrays(shaped, whole, classes or tuple(str(k) for k in range(count)), notes)


def _checked_images(name: str, images: NDArray[Any]) -> Images:
    expected = "expected uint8 (N, H, W, C) with 1 or 3 channels, or uint8 (N, H, W)"
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise InputError(
            f"{name}: some of the images hold NaN or infinity, as of a generator that diverged; "
            f"{expected}."
        )
    if images.dtype != np.uint8:
        advice = "turn values into bytes 0..255 first, for example (255 * x).round().astype('u1')"
        raise InputError(f"{name}: images are {images.dtype}; {expected}: {advice}.")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or 0 in images.shape:
        raise InputError(f"{name}: images have shape {images.shape}; {expected}.")
    last, first = images.shape[3] in (1, 3), images.shape[1] in (1, 3)
    if last == first:
        why = "which side holds the channels cannot be told" if last else "no side holds channels"
        raise InputError(f"{name}: images have shape {images.shape}: {why}; {expected}.")
    if len(images) < 2:
        raise InputError(f"{name}: holds a single image; a GAN needs at least 2.")
    return images if last else images.transpose(0, 2, 3, 1)


def _checked_labels(name: str, labels: NDArray[Any], count: int) -> Labels:
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"{name}: labels are {labels.dtype} of shape {labels.shape}; expected one whole "
            f"number for each image, shape ({count},)."
        )
    if labels.min() < 0 or labels.max() >= MOST_CLASSES:
        raise InputError(
            f"{name}: labels run from {labels.min()} to {labels.max()}; expected class numbers "
            f"from 0 to {MOST_CLASSES - 1}."
        )
    return labels.astype(np.int64)


def fingerprint(images: Images, labels: Labels | None) -> str:
    """Return the SHA-256 of shape, pixels and labels, reading a block at a time."""
    digest = hashlib.sha256(f"{images.shape}|{labels is not None}|".encode())
    for start in range(0, len(images), BLOCK):
        digest.update(np.ascontiguousarray(images[start : start + BLOCK]).data)
    if labels is not None:
        digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()
