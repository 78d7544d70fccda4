"""A report on an image set before training: size, classes, duplicates, blank images."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ganbaru.data.source import BLOCK, Images, Sizes, Source

EXAMPLES = 5  # groups of duplicates and blank images that are listed, not only counted


@dataclass(frozen=True)
class Inspection:
    """What a set holds; numbers are of the converted images, except those in `originals`."""

    name: str
    count: int
    height: int
    width: int
    channels: int
    classes: tuple[tuple[str, int], ...]  # name and number of images
    duplicates: int  # images that repeat an earlier one, pixel by pixel
    duplicate_groups: tuple[tuple[int, ...], ...]  # the first few groups of equal images
    constant: tuple[int, ...]  # images of a single colour
    broken: tuple[str, ...]  # files that could not be read
    mean: tuple[float, ...]  # by channel, 0..255
    std: tuple[float, ...]
    bytes: int
    fingerprint: str
    originals: tuple[str, ...]  # lines about the sizes before cropping and resizing
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the report in words, a line for each topic."""
        colour = "grey" if self.channels == 1 else "RGB"
        size = f"{self.height} high x {self.width} wide, {colour}"
        text = [f"{self.name}: {self.count:,} images, {size}, {_mebibytes(self.bytes)}"]
        text += self.originals
        text.append(f"mean {_format(self.mean)}, standard deviation {_format(self.std)}")
        text += self._class_lines()
        text += self._faults()
        text += self.notes
        return [*text, f"fingerprint {self.fingerprint}"]

    def _class_lines(self) -> list[str]:
        if not self.classes:
            return ["no labels"]
        shown = ", ".join(f"{name} {count:,}" for name, count in self.classes[:20])
        more = f" and {len(self.classes) - 20:,} more" if len(self.classes) > 20 else ""
        return [f"{len(self.classes):,} classes: {shown}{more}"]

    def _faults(self) -> list[str]:
        text = []
        if self.duplicates:
            groups = "; ".join(" = ".join(map(str, group)) for group in self.duplicate_groups)
            text.append(f"{self.duplicates:,} images repeat another exactly, such as {groups}")
        if self.constant:
            examples = ", ".join(map(str, self.constant[:EXAMPLES]))
            text.append(f"{len(self.constant):,} images are of a single colour, such as {examples}")
        return text or ["no exact repeats and no blank images"]


def inspect(source: Source) -> Inspection:
    """Read all images once and return the report on them."""
    count, height, width, channels = source.images.shape
    groups, constant = _duplicates(source.images)
    mean, std = _moments(source.images)
    return Inspection(
        name=source.name,
        count=count,
        height=height,
        width=width,
        channels=channels,
        classes=_class_counts(source),
        duplicates=sum(len(group) - 1 for group in groups),
        duplicate_groups=tuple(tuple(group) for group in groups[:EXAMPLES]),
        constant=tuple(constant),
        broken=source.broken,
        mean=mean,
        std=std,
        bytes=source.images.nbytes,
        fingerprint=source.fingerprint,
        originals=_originals(source.original_sizes),
        notes=source.notes,
    )


def _blocks(images: Images) -> Iterator[tuple[int, Images]]:
    for start in range(0, len(images), BLOCK):
        yield start, np.ascontiguousarray(images[start : start + BLOCK])


def _duplicates(images: Images) -> tuple[list[list[int]], list[int]]:
    """Return the groups of equal images and the images of one colour."""
    places: dict[bytes, list[int]] = defaultdict(list)
    constant: list[int] = []
    for start, block in _blocks(images):
        for i, image in enumerate(block, start):
            places[hashlib.blake2b(image.data, digest_size=16).digest()].append(i)
        same = (block == block[:, :1, :1]).all(axis=(1, 2, 3))
        constant += [start + int(i) for i in np.flatnonzero(same)]
    return [group for group in places.values() if len(group) > 1], constant


def _moments(images: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel, from exact whole-number sums."""
    counts = np.zeros((images.shape[3], 256), np.int64)
    for _, block in _blocks(images):
        for channel, row in enumerate(counts):
            row += np.bincount(block[..., channel].ravel(), minlength=256)
    values = np.arange(256)
    pixels = counts[0].sum()
    mean = counts @ values / pixels
    variance = counts @ values**2 / pixels - mean**2
    return tuple(mean.tolist()), tuple(np.sqrt(variance.clip(0)).tolist())


def _class_counts(source: Source) -> tuple[tuple[str, int], ...]:
    if source.labels is None:
        return ()
    counts = np.bincount(source.labels, minlength=len(source.classes)).tolist()
    return tuple(zip(source.classes, counts, strict=True))


def _originals(sizes: Sizes | None) -> tuple[str, ...]:
    """Describe the sizes (n, 2) before cropping and resizing."""
    if sizes is None:
        return ()
    heights, widths = sizes.T
    if (sizes == sizes[0]).all():
        return (f"originals all {heights[0]} high x {widths[0]} wide",)
    counts = {"upright": heights > widths, "wide": heights < widths, "square": heights == widths}
    shapes = ", ".join(f"{one.sum():,} {shape}" for shape, one in counts.items() if one.any())
    high, wide = _range(heights, "high"), _range(widths, "wide")
    return (f"originals {high}, {wide}: {shapes}",)


def _range(sides: Sizes, side: str) -> str:
    return f"{sides.min()} to {sides.max()} {side} (median {int(np.median(sides))})"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _format(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.2f}" for value in values)
