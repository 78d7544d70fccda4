"""Images to train on, from a known set, a path or a module of the user's own.

A known set is a file in this folder with one function, ``original(split, data_dir, progress)``,
which returns an `Original` (``of_arrays(name, images, labels, classes)`` makes one). A user's own
module has the same function and is named by its dotted path. Without
the split that is asked for, it raises a `SplitError`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ganbaru.data.inspection import Inspection, contact_sheet, inspect
from ganbaru.data.progress import progress_bar
from ganbaru.data.source import (
    Original,
    Progress,
    Sizes,
    Source,
    SplitError,
    Want,
    of_arrays,
    silent,
)

__all__ = [
    "Inspection",
    "SplitError",
    "Original",
    "Progress",
    "Sizes",
    "Source",
    "Want",
    "contact_sheet",
    "inspect",
    "in_memory",
    "load",
    "of_arrays",
    "progress_bar",
    "silent",
]


def in_memory(name: str, images: NDArray[Any]) -> Source:
    """Return a source of images (N, H, W, C) in memory; raises InputError if they are not bytes."""
    from ganbaru.data import cache

    return cache.source(of_arrays(name, images), Want(), silent)


def load(
    what: str | Path,
    *,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    data_dir: Path | None = None,
    split: str = "train",
    progress: Progress | None = None,
) -> Source:
    """Load the images of `what`: a known set, a path, or a dotted path to a module.

    `image_size` is (height, width): pictures are cropped about their centre to its proportions and
    resized. `channels` is 1 (grey) or 3 (RGB). None keeps what the data have. `progress` is called
    with (done, total, what is being done).
    """
    from ganbaru.data import cache, formats

    want = Want(image_size, channels)
    report = progress or silent
    name = str(what.expanduser().absolute()) if isinstance(what, Path) else what
    return cache.source(formats.find(name, split, data_dir, report), want, report)
