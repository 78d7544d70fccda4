"""STL-10 as published in binary: 96x96 RGB, column by column, and labels from 1 to 10."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from ganbaru.data import claims
from ganbaru.data.arrays import checked
from ganbaru.data.source import Original, Samples, SplitError, Want, damaged, file_stamp

SIDE = 96
RECORD = 3 * SIDE * SIDE
CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
SPLITS = ("train", "test", "unlabeled")


def recognize(path: Path, head: bytes, want: Want) -> Original | None:
    """Return the images of a folder that holds STL-10's binary files."""
    if not path.is_dir() or not any((path / f"{split}_X.bin").is_file() for split in SPLITS):
        return None
    split = "train" if want.split in ("auto", "none") else want.split
    images, labels = path / f"{split}_X.bin", path / f"{split}_y.bin"
    if split not in SPLITS or not images.is_file():
        raise SplitError(f"{path} holds STL-10, but no {split!r} images; it has {SPLITS}.")
    files = [images] if split == "unlabeled" else [images, labels]
    read = partial(_read, images, None if split == "unlabeled" else labels)
    return Original("stl10", want.located(path), file_stamp(files), read)


def _read(images: Path, labels: Path | None) -> Samples:
    with claims.open_regular(images) as stream:
        size = stream.seek(0, 2)
    if not size or size % RECORD:
        raise damaged(images, f"{size:,} bytes are not a whole number of {RECORD:,}-byte images")
    # A plain view, which is decoded into the cache: in the file, rows and columns are swapped.
    planes = np.asarray(np.memmap(images, np.uint8, "r")).reshape(-1, 3, SIDE, SIDE)
    pixels = planes.transpose(0, 3, 2, 1)
    if labels is None:
        return checked(str(images), pixels)
    numbers = np.frombuffer(claims.read_regular(labels, len(pixels)), np.uint8)
    if len(numbers) != len(pixels) or not 1 <= numbers.min() <= numbers.max() <= len(CLASSES):
        found = f"it holds {len(numbers):,} labels for {len(pixels):,} images"
        raise damaged(labels, f"{found}; expected one for each, from 1 to {len(CLASSES)}")
    return checked(str(images), pixels, numbers - 1, CLASSES, labels_from="STL-10 labels")
