"""Image sets to train on: a known set, a path, or a module of the user's own.

A set with a name is declared by one object, `Dataset`, called DATASET in its module: in this
package's `sets` for a known set, anywhere on the path for a user's, named by its dotted path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ganbaru.data import cache
from ganbaru.data.arrays import of_arrays
from ganbaru.data.dataset import (
    Dataset,
    beside,
    data_licence,
    declared,
    exists,
    find,
    licence_note,
    title,
)
from ganbaru.data.download import data_folders
from ganbaru.data.inspection import Inspection, examine, opening_lines
from ganbaru.data.progress import progress_bar, shown
from ganbaru.data.source import (
    Original,
    Progress,
    RangeError,
    SizesError,
    Source,
    SplitError,
    Target,
    Want,
    in_order,
    silent,
)
from ganbaru.errors import RunError
from ganbaru.registry import Trust

__all__ = [
    "Dataset",
    "Inspection",
    "Original",
    "Progress",
    "RangeError",
    "SizesError",
    "Source",
    "SplitError",
    "Target",
    "beside",
    "data_folders",
    "data_licence",
    "declared",
    "exists",
    "in_memory",
    "in_order",
    "inspect",
    "licence_note",
    "load",
    "opening_lines",
    "of_arrays",
    "progress_bar",
    "shown",
    "silent",
    "title",
]


def in_memory(
    name: str, images: NDArray[Any], *, channels: int | None = None, value_range: str | None = None
) -> Source:
    """Return a source of images (N, H, W, C) in memory; the rest is as in `load`."""
    target = Target(channels=channels, range=value_range)
    return cache.load(of_arrays(name, images), target, silent)


def inspect(what: Source | str | Path, **how: Any) -> Inspection:
    """Return the report on a source, or on what `load` finds with the keyword arguments `how`.

    `lines()` is the report in words, `to_json()` as plain values.
    """
    source = what if isinstance(what, Source) else load(what, **how)
    return examine(source, sized=bool(how.get("image_size")))


def load(
    what: str | Path,
    *,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    data_dir: Path | None = None,
    split: str = "auto",
    progress: Progress | None = None,
    trust: Trust | None = None,
    fit: str = "crop",
    value_range: str | None = None,
    label_file: str | None = None,
    key: str | None = None,
    background: str | None = None,
) -> Source:
    """Load the images of `what`: a known set, a path, or a dotted path to a module.

    `image_size` is (height, width): pictures are cropped about their centre to its proportions and
    resized; with `fit` "pad" or "stretch" nothing is cropped. `channels` is 1 (grey), 3 (RGB) or
    4 (RGBA, with straight alpha); None keeps those of the data, without alpha. `background` is the
    colour behind transparent parts, else white. `value_range` are the values that become black
    and white, as "0:4095"; "auto" are the smallest and the largest of the set, None those of the
    values' type.
    `split` is auto (the training images; InputError where it is not certain which they are), train,
    test, val, none (all as one set) or the name of a folder. `label_file` is FILE or FILE:COLUMN
    with labels, "folders" or "none"; `key` chooses among the arrays of a file or the sets of a
    folder. `progress` is called with (done, total, what is being done). `trust` limits what a
    `what` from a file may import.
    """
    target = Target(image_size, channels, fit, value_range, background)
    report = progress or silent
    name = str(what.expanduser().absolute()) if isinstance(what, Path) else what
    try:
        found = find(name, Want(split, label_file, key), data_dir, report, trust)
        return cache.load(found, target, report)
    except MemoryError as error:
        raise RunError(
            f"{name} needs more memory than there is. Give a smaller image size, or a folder or "
            f"an archive of pictures, which are decoded one at a time."
        ) from error
