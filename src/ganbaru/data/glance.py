"""A glance at an image set: sizes and classes, from the files' headers, without decoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganbaru.data import cache
from ganbaru.data.dataset import find
from ganbaru.data.decoding import same_size
from ganbaru.data.picture_file import open_picture, shown_size
from ganbaru.data.source import Samples, Sizes, Source, Target, Want, silent
from ganbaru.data.streaming import Streamed
from ganbaru.registry import Trust

LOOKED_AT = 300  # picture files that are opened: a second for photographs of 10 MB


@dataclass(frozen=True)
class Glance:
    """What the headers of an image set tell."""

    name: str
    count: int  # images; of picture files, those that cannot be decoded too
    sizes: Sizes  # (n, 2), height and width as shown, of images spread over the set
    classes: dict[str, int]  # numbers of images by class, {} without labels


def glance(what: str, want: Want, data_dir: Path | None, trust: Trust | None) -> Glance:
    """Look at the training images of `what`, a known set, a path or a module.

    Raises InputError for what `load` raises it; where headers cannot be read, images are decoded.
    """
    original = find(what, want, data_dir, silent, trust)
    samples = cache.read_samples(original)
    images = samples.images
    if isinstance(images, np.ndarray):
        sizes = same_size(images)
    elif isinstance(images, Streamed):
        sizes = images.sizes
    else:
        readers = list(images.values())
        chosen = np.linspace(0, len(readers) - 1, min(len(readers), LOOKED_AT)).astype(int)
        found = [size for i in chosen if (size := _size(readers[i]))]
        sizes = np.array(found, np.int32).reshape(-1, 2)
    if len(sizes) < 2:  # raises what is wrong with the set, or knows the rest of it
        return _decoded(cache.load(original, Target((32, 32)), silent))
    return Glance(original.name, len(images), sizes, _counts(samples))


def _decoded(source: Source) -> Glance:
    sizes = source.original_sizes
    assert sizes is not None  # which every conversion knows
    return Glance(source.name, len(source.images), sizes, _counts(source))


def _counts(found: Samples | Source) -> dict[str, int]:
    if found.labels is None:
        return {}
    counts = np.bincount(found.labels, minlength=len(found.classes)).tolist()
    return dict(zip(found.classes, counts, strict=True))


def _size(read: Callable[[], bytes]) -> tuple[int, int] | None:
    """Return the height and width of a picture file as shown; None if it cannot be opened."""
    try:
        with open_picture(read()) as image:
            return shown_size(image)
    # Pillow's headers raise anything for damage; decoding reports the file.
    except Exception:
        return None
