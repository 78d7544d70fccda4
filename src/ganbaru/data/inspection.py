"""A report on an image set before training: size, classes, duplicates, blank images."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru.data.source import Images, Sizes, Source, blocks

EXAMPLES = 5  # groups of duplicates and blank images that are listed, not only counted


@dataclass(frozen=True)
class Inspection:
    """What a set holds; numbers are of the converted images."""

    source: Source
    groups: list[list[int]]  # of images that are equal pixel by pixel
    constant: list[int]  # images of a single colour
    mean: NDArray[np.float64]  # by channel, 0..255
    std: NDArray[np.float64]

    @property
    def duplicates(self) -> int:
        """The number of images that repeat an earlier one, pixel by pixel."""
        return sum(len(group) - 1 for group in self.groups)

    @property
    def classes(self) -> list[tuple[str, int]]:
        """The name and number of images of each class."""
        names, labels = self.source.classes, self.source.labels
        counts = [] if labels is None else np.bincount(labels, minlength=len(names)).tolist()
        return list(zip(names, counts, strict=True))

    def lines(self) -> list[str]:
        """Return the report in words, a line for each topic."""
        images = self.source.images
        count, height, width, channels = images.shape
        colour = "grey" if channels == 1 else "RGB"
        size = f"{height} high x {width} wide, {colour}, {images.nbytes / 2**20:,.1f} MiB"
        return [
            f"{self.source.name}: {count:,} images, {size}",
            *_originals(self.source.original_sizes),
            f"mean {_format(self.mean)}, standard deviation {_format(self.std)}",
            self._class_line(),
            *self._faults(),
            *self.source.notes,
            f"fingerprint {self.source.fingerprint}",
        ]

    def _class_line(self) -> str:
        if not self.classes:
            return "no labels"
        shown = ", ".join(f"{name} {count:,}" for name, count in self.classes[:20])
        more = f" and {len(self.classes) - 20:,} more" if len(self.classes) > 20 else ""
        return f"{len(self.classes):,} classes: {shown}{more}"

    def _faults(self) -> list[str]:
        text = []
        if self.groups:
            groups = "; ".join(" = ".join(map(str, group)) for group in self.groups[:EXAMPLES])
            text.append(f"{self.duplicates:,} images repeat another exactly, such as {groups}")
        if self.constant:
            examples = ", ".join(map(str, self.constant[:EXAMPLES]))
            text.append(f"{len(self.constant):,} images are of a single colour, such as {examples}")
        return text or ["no exact repeats and no blank images"]


def inspect(source: Source) -> Inspection:
    """Read all images and return the report on them."""
    return Inspection(source, *_duplicates(source.images), *_moments(source.images))


def _duplicates(images: Images) -> tuple[list[list[int]], list[int]]:
    """Return the groups of equal images and the images of one colour."""
    places: dict[bytes, list[int]] = defaultdict(list)
    constant: list[int] = []
    for start, block in blocks(images):
        for i, image in enumerate(block, start):
            places[hashlib.blake2b(image.data, digest_size=16).digest()].append(i)
        same = (block == block[:, :1, :1]).all(axis=(1, 2, 3))
        constant += (start + np.flatnonzero(same)).tolist()
    return [group for group in places.values() if len(group) > 1], constant


def _moments(images: Images) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each channel, from exact whole-number sums."""
    counts = np.zeros((images.shape[3], 256), np.int64)
    for _, block in blocks(images):
        for channel, row in enumerate(counts):
            row += np.bincount(block[..., channel].ravel(), minlength=256)
    values = np.arange(256)
    pixels = counts[0].sum()
    mean = counts @ values / pixels
    variance = counts @ values**2 / pixels - mean**2
    return mean, np.sqrt(variance.clip(0))


def _originals(sizes: Sizes | None) -> list[str]:
    """Describe the sizes (n, 2) before cropping and resizing."""
    if sizes is None:
        return []
    heights, widths = sizes.T
    if (sizes == sizes[0]).all():
        return [f"originals all {heights[0]} high x {widths[0]} wide"]
    counts = {"upright": heights > widths, "wide": heights < widths, "square": heights == widths}
    shapes = ", ".join(f"{one.sum():,} {shape}" for shape, one in counts.items() if one.any())
    high, wide = _range(heights, "high"), _range(widths, "wide")
    return [f"originals {high}, {wide}: {shapes}"]


def _range(sides: Sizes, side: str) -> str:
    return f"{sides.min()} to {sides.max()} {side} (median {int(np.median(sides))})"


def _format(values: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.2f}" for value in values)
