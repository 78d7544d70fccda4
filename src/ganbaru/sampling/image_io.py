"""Image output: uint8 conversion, grids and PNG files, from images (N, H, W, C)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ganbaru import files
from ganbaru.data import Source, alpha

Images = NDArray[np.uint8]


def to_bytes(images: NDArray[np.floating]) -> Images:
    """Convert float images (N, C, H, W) in [-1, 1] to uint8 (N, H, W, C), by this fixed range.

    Invisible pixels of RGBA become black, as in image sets.
    """
    last = np.asarray(images).transpose(0, 2, 3, 1)
    made = np.empty(last.shape, np.uint8)
    for image, out in zip(last, made, strict=True):  # one at a time: it stays in the cache
        scaled = np.add(image, 1, dtype=np.float64)
        scaled *= 127.5
        np.rint(scaled, out=scaled)
        np.clip(scaled, 0, 255, out=scaled)
        out[:] = scaled
    return alpha.cleared(made)


def file_names(classes: Sequence[str]) -> list[str]:
    """Return names of classes that are valid and different file names, at most 40 letters each.

    They are numbered where two would be the same file, or one "all", the name of a whole grid.
    """
    names = [re.sub(r"\W+", "-", name).strip("-")[:40] for name in classes]
    if len({name.lower() for name in names} - {"", "all"}) == len(names):
        return names
    return [f"{k}-{name}" for k, name in enumerate(names)]


def label_marks(classes: Sequence[str]) -> list[str]:
    """Return what the file name of an image says of its class: -label3, or -label-cat by name."""
    if list(classes) == [str(k) for k in range(len(classes))]:
        return [f"-label{name}" for name in classes]
    return [f"-label-{name}" for name in file_names(classes)]


def grid(images: Images, columns: int | None = None, gap: int = 2) -> Images:
    """Arrange images (N, H, W, C) row by row in one image (H', W', C), `gap` pixels apart.

    The gaps are opaque; transparency stays.
    """
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    shape = (rows * (height + gap) + gap, columns * (width + gap) + gap, channels)
    sheet = np.full(shape, 24, np.uint8)
    sheet[..., 3:] = 255
    for i, image in enumerate(images):
        top = gap + i // columns * (height + gap)
        left = gap + i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def columns(num_classes: int) -> int:
    """Return a number of columns, about 8 and at most 16, at which each column is one class."""
    return num_classes * max(1, 8 // num_classes) if 2 <= num_classes <= 16 else 8


def picture(image: Images) -> Image.Image:
    """Return one uint8 image (H, W, C), C being 1, 3 or 4, as a Pillow image."""
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def enlarge(image: Images, least: int = 512) -> Images:
    """Repeat pixels until the longer side has at least `least`, for display."""
    times = max(1, math.ceil(least / max(image.shape[:2])))
    return image.repeat(times, axis=0).repeat(times, axis=1)


def save_png(path: Path, image: Images) -> None:
    """Write one uint8 image (H, W, C) as a PNG file."""
    write_png(path, picture(image))


def write_png(path: Path, made: Image.Image) -> None:
    """Write a Pillow image as a PNG file."""
    with files.replacing(path) as temporary:
        save(temporary, made)


def save(path: Path, made: Image.Image) -> None:
    """Save a Pillow image as PNG at a temporary path."""
    made.save(path, format="PNG", pnginfo=software())


def software() -> PngInfo:
    """Return the text chunk by which `files.is_ours` knows a PNG."""
    found = PngInfo()
    found.add_text("Software", "ganbaru")
    return found


def contact_sheet(source: Source, path: Path, count: int = 64) -> None:
    """Save about `count` images as one PNG: a row for each class, or evenly spread over the set."""
    chosen, columns = _selection(source, count)
    sheet = grid(source.images[chosen], columns)
    save_png(path, enlarge(sheet))


def _selection(source: Source, count: int) -> tuple[list[int], int]:
    if source.labels is None or len(source.classes) > count:
        chosen = np.linspace(0, len(source.images) - 1, min(count, len(source.images)))
        return [int(i) for i in chosen.round()], int(np.ceil(len(chosen) ** 0.5))
    each = max(1, count // len(source.classes))
    members = [np.flatnonzero(source.labels == k) for k in range(len(source.classes))]
    # A class smaller than its row repeats, so that every row still is one class.
    rows = [np.resize(found, each) for found in members if len(found)]
    return [int(i) for row in rows for i in row], each
