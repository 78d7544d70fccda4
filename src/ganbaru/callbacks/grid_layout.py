"""A run's sample grids: layout, reading them back, and cutting them into their images.

PNG is lossless: the images cut from a grid on disk are those that were drawn.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ganbaru.data import attributes
from ganbaru.data.picture_file import UnreadableError, own_picture
from ganbaru.errors import InputError
from ganbaru.sampling import image_io
from ganbaru.training.run import Run

ROWS, GAP = 8, 2  # of a grid; the gap in pixels before it is enlarged


def found(run: Run) -> list[Path]:
    """Return the paths of the sample grids on disk, by images."""
    return [path for path in sorted(run.folder.samples.glob("*.png")) if path.stem.isdecimal()]


def columns(run: Run) -> int:
    """Return the number of images in a row of a run's grids."""
    contrasted = 2 * min(len(run.attributes), attributes.CONTRASTED)
    return contrasted or image_io.columns(len(run.classes))


def arranged(run: Run, images: image_io.Images) -> image_io.Images:
    """Return a grid (H, W, C) of images (ROWS * columns, H, W, C)."""
    return image_io.enlarge(image_io.grid(images, columns(run), GAP))


def read(run: Run, path: Path) -> image_io.Images:
    """Read a grid (H, W, C) as it was drawn; raises InputError if the file was changed."""
    blank = np.empty((ROWS * columns(run), *run.source.images.shape[1:]), np.uint8)
    try:
        picture, _ = own_picture(path)
        return np.asarray(picture).reshape(arranged(run, blank).shape)
    except (UnreadableError, ValueError) as error:  # ValueError: of another shape
        raise InputError(
            f"The sample grid {path} is damaged or not the run's own ({error}). Delete it: "
            f"time-lapse and history then leave it out."
        ) from error


def cut(run: Run, path: Path) -> image_io.Images:
    """Return the images (N, H, W, C) of a grid on disk, row by row."""
    height, width, channels = run.source.images.shape[1:]
    sheet = read(run, path)
    times = sheet.shape[0] // (ROWS * (height + GAP) + GAP)
    small = sheet[GAP * times :: times, GAP * times :: times]
    tiles = small.reshape(ROWS, height + GAP, columns(run), width + GAP, channels)
    return tiles[:, :height, :, :width].swapaxes(1, 2).reshape(-1, height, width, channels)


MOST_CLASSES = 16  # with pictures by class


def class_names(run: Run) -> list[str]:
    """Return names of a run's classes that are valid file names; [] without pictures by class."""
    if not 2 <= len(run.classes) <= MOST_CLASSES:
        return []
    return image_io.file_names(run.classes)


def by_class(run: Run, path: Path) -> dict[str, image_io.Images]:
    """Return a picture (H, W, C) of each class's images in a grid, four side by side."""
    names, images = class_names(run), cut(run, path)
    return {
        name: image_io.enlarge(image_io.grid(images[k :: len(names)], 4, GAP), least=256)
        for k, name in enumerate(names)
    }
