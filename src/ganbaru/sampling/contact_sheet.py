"""A contact sheet: images of a data set in one PNG file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ganbaru.data import Source
from ganbaru.sampling import image_io


def contact_sheet(source: Source, path: Path, count: int = 64) -> None:
    """Save about `count` images as one PNG: a row for each class, or evenly spread over the set."""
    chosen, columns = _selection(source, count)
    sheet = image_io.grid(source.images[chosen], columns)
    image_io.save_png(path, image_io.enlarge(sheet))


def _selection(source: Source, count: int) -> tuple[list[int], int]:
    if source.labels is None or len(source.classes) > count:
        chosen = np.linspace(0, len(source.images) - 1, min(count, len(source.images)))
        return [int(i) for i in chosen.round()], int(np.ceil(len(chosen) ** 0.5))
    each = max(1, count // len(source.classes))
    members = [np.flatnonzero(source.labels == k) for k in range(len(source.classes))]
    # A class smaller than its row repeats, so that every row still is one class.
    rows = [np.resize(found, each) for found in members if len(found)]
    return [int(i) for row in rows for i in row], each
