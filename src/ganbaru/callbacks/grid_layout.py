"""A run's sample grids: drawn from fixed seeds, read back, and cut into the images they show.

PNG keeps every pixel, so what is made of a grid on disk is what would be made of its images.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ganbaru.errors import InputError
from ganbaru.sampling import image_io

if TYPE_CHECKING:
    from ganbaru.training.loop import Run

ROWS, GAP = 8, 2  # of a grid; the gap in pixels before it is enlarged


def found(run: Run) -> list[Path]:
    """Return the sample grids on disk, from the first to the last."""
    return sorted(run.folder.samples.glob("[0-9]*.png"))


def columns(run: Run) -> int:
    """Return how many images stand side by side in a run's grids."""
    return image_io.columns(len(run.classes))


def drawn(run: Run) -> image_io.Images:
    """Draw a grid (H, W, C) of the generator as it is: seeds from 0, labels counting up."""
    images = run.generator().sample(ROWS * columns(run))
    return image_io.enlarge(image_io.grid(images, columns(run), GAP))


def read(run: Run, path: Path) -> image_io.Images:
    """Read a grid (H, W, C) back as it was drawn; raises InputError if it is no longer so."""
    height, width, channels = _enlarged(run)
    try:
        with Image.open(path) as picture:
            return np.asarray(picture).reshape(height, width, channels)
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's for damage, and the shape's
        raise InputError(
            f"The sample grid {path} is damaged or not the run's own ({error}). Delete it: the "
            f"time-lapse and the history do without it."
        ) from error


def cut(run: Run, path: Path) -> image_io.Images:
    """Return the images (N, H, W, C) of a grid on disk, row by row as they were drawn."""
    height, width, channels = run.source.images.shape[1:]
    sheet = read(run, path)
    times = sheet.shape[0] // _sheet(run)[0]
    small = sheet[GAP * times :: times, GAP * times :: times]
    tiles = small.reshape(ROWS, height + GAP, columns(run), width + GAP, channels)
    return tiles[:, :height, :, :width].swapaxes(1, 2).reshape(-1, height, width, channels)


def _sheet(run: Run) -> tuple[int, int, int]:
    """Return height, width and channels of a grid before it is enlarged."""
    height, width, channels = run.source.images.shape[1:]
    return ROWS * (height + GAP) + GAP, columns(run) * (width + GAP) + GAP, channels


def _enlarged(run: Run) -> tuple[int, ...]:
    return image_io.enlarge(np.empty(_sheet(run), np.uint8)).shape


# --- classes ----------------------------------------------------------------------------------

MOST_CLASSES = 16  # of which each has columns of its own in a grid


def class_names(run: Run) -> list[str]:
    """Name a run's classes by letters that may be in a file's name; none if not shown apart.

    Where two names would become the same file, or one "all" as the whole grid is called, they are
    numbered.
    """
    if not 2 <= len(run.classes) <= MOST_CLASSES:
        return []
    names = [re.sub(r"\W+", "-", name).strip("-")[:40] for name in run.classes]
    if len({name.lower() for name in names} - {"", "all"}) == len(names):
        return names
    return [f"{k}-{name}" for k, name in enumerate(names)]


def by_class(run: Run, path: Path) -> dict[str, image_io.Images]:
    """Return a picture (H, W, C) of each class's images in a grid, four side by side."""
    names, images = class_names(run), cut(run, path)
    return {
        name: image_io.enlarge(image_io.grid(images[k :: len(names)], 4, GAP), least=256)
        for k, name in enumerate(names)
    }
