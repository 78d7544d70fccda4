"""A report on an image set before training: what it holds, what is left out, what to look at."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.coerce import MODES, Interval, parse_range
from ganbaru.data import alpha, attributes
from ganbaru.data.source import Finding, Images, Sizes, Source, Target, blocks
from ganbaru.data.survey import cropping
from ganbaru.data.values import BYTES, full_range
from ganbaru.formatting import Brief

EXAMPLES = 5  # groups of duplicates and blank images that are listed, not only counted


@dataclass(frozen=True, repr=False)
class Inspection(Brief):
    """What a set holds; numbers are of the converted images."""

    source: Source
    groups: list[list[int]]  # of images that are equal pixel by pixel
    constant: list[int]  # images of a single colour
    mean: NDArray[np.float64]  # by channel, 0..255
    std: NDArray[np.float64]
    warnings: tuple[Finding, ...]  # those of the source, and of what a square would crop

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
        colour = MODES[channels].pillow if channels > 1 else "grey"
        size = f"{height} high x {width} wide, {colour}, {images.nbytes / 2**20:,.1f} MiB"
        return [
            f"{self.source.name}: {count:,} images, {size}",
            *_originals(self.source.original_sizes),
            _value_line(self.source),
            f"mean {_format(self.mean)}, standard deviation {_format(self.std)}",
            self._class_line(),
            *self._faults(),
            *remarks(self.source),
            *(_warning(each) for each in self.warnings),
            f"fingerprint {self.source.fingerprint}",
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values; `images` and `classes` are of the split read."""
        source, sizes = self.source, self.source.original_sizes
        (low, high), (black, white) = _values(source)
        return {
            "name": source.name,
            "images": len(source.images),
            "shape": list(source.images.shape[1:]),
            "channels": source.images.shape[3],
            "classes": dict(self.classes),
            "attributes": _attributes(source),
            "labels_from": source.labels_from,
            "split": source.split,
            "left_out": [asdict(each) for each in source.left_out],
            "warnings": [asdict(each) for each in self.warnings],
            "notes": list(source.notes),
            "sizes": None if sizes is None else _sizes(sizes),
            "depth": source.depth,
            "range": {
                "low": low,
                "high": high,
                "part": round((high - low) / (white - black), 4),
                "given": source.black_white or None,
            },
            "duplicates": self.duplicates,
            "single_colour": len(self.constant),
            "mean": self.mean.round(4).tolist(),
            "std": self.std.round(4).tolist(),
            "fingerprint": source.fingerprint,
        }

    def _class_line(self) -> str:
        if self.source.attributes:
            found = self.source.attributes.columns
            return f"{len(found)} attributes: {attributes.shown(found)}"
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


def _attributes(source: Source) -> list[dict[str, Any]]:
    """Return name, kind, range, usual value and mean of each attribute."""
    if source.attributes is None:
        return []
    columns, means = source.attributes.columns, source.attributes.values.mean(axis=0).tolist()
    return [
        {**{n: x for n, x in asdict(each).items() if n != "examples"}, "mean": round(mean, 6)}
        for each, mean in zip(columns, means, strict=True)
    ]


def examine(source: Source, sized: bool) -> Inspection:
    """Read all images and return the report on them.

    If they were not `sized`, presets for pictures crop them to squares, so there is a warning where
    that drops much.
    """
    warnings, sizes = source.warnings, source.original_sizes
    shape = source.images.shape[1:3]
    if not sized and sizes is not None and (sizes == shape).all():
        side = min(shape)
        what = "The crop to a square that presets for pictures make,"
        warnings += tuple(cropping(sizes[:1], Target((side, side)), what))
    return Inspection(source, *_duplicates(source.images), *_moments(source.images), warnings)


def remarks(source: Source) -> list[str]:
    """Return lines on the split, the origin of labels, what is left out, and other notes."""
    lines = [f"split: {source.split}"] * bool(source.split)
    lines += [f"labels from {source.labels_from}"] * bool(source.labels_from)
    if source.left_out:
        parts = (f"{each.count:,} {each.kind} ({each.reason})" for each in source.left_out)
        lines.append(f"left out: {', '.join(parts)}")
    return [*lines, *source.notes]


def opening_lines(source: Source) -> list[str]:
    """Return what is worth saying of a set before a training."""
    return [*remarks(source), *(_warning(each) for each in source.warnings)]


def _warning(found: Finding) -> str:
    return f"warning ({found.code}): {found.message}"


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
    """Return mean and standard deviation of each channel, from exact whole-number sums.

    Colours are multiplied by alpha.
    """
    counts = np.zeros((images.shape[3], 256), np.int64)
    for _, block in blocks(images):
        block = alpha.premultiplied(block)
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


def _sizes(sizes: Sizes) -> dict[str, list[int]]:
    """Return the smallest, median and largest height and width before cropping and resizing."""
    parts = {"least": sizes.min(axis=0), "median": np.median(sizes, axis=0), "most": sizes.max(0)}
    return {name: [int(side) for side in sides] for name, sides in parts.items()}


def _values(source: Source) -> tuple[Interval, Interval]:
    """Return the smallest and largest original value, and the values of black and white."""
    whole = full_range(source.depth.partition(" ")[0] or BYTES) or (0.0, 1.0)
    interval = parse_range(source.black_white) if source.black_white else whole
    low, _, high = (source.range or "0:0").partition(":")
    return (float(low), float(high)), interval or whole


def _value_line(source: Source) -> str:
    (low, high), (black, white) = _values(source)
    part = f"{100 * (high - low) / (white - black):.3g} % of {black:g} to {white:g}"
    return f"original values {source.depth}, from {low:g} to {high:g}: {part}"


def _range(sides: Sizes, side: str) -> str:
    return f"{sides.min()} to {sides.max()} {side} (median {int(np.median(sides))})"


def _format(values: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.2f}" for value in values)
