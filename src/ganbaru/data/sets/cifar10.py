"""CIFAR-10: 50,000 training and 10,000 test photographs of ten kinds of things, 32x32 RGB."""

from __future__ import annotations

from pathlib import Path

from ganbaru.data import cifar_files
from ganbaru.data.download import fetch
from ganbaru.data.source import Original, Progress
from ganbaru.errors import RunError

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CHECKSUM = "md5:c32a1d4ab5d03f1284b67883e8d87530"
SHAPE, CLASSES = (32, 32, 3), 10  # of an image (H, W, C); told without the files
LICENCE = "no licence stated; its authors ask to cite Krizhevsky 2009"


def original(split: str, data_dir: Path | None, progress: Progress) -> Original:
    """Find the split in any published form, or download the binary one (162 MiB)."""
    found = cifar_files.find(split, data_dir)
    if found is None:
        fetch("cifar10", URL, CHECKSUM, progress)
        found = cifar_files.find(split, data_dir)
    if found is None:
        raise RunError("CIFAR-10 was downloaded but cannot be found again: is the disk failing?")
    return found
