"""CIFAR-10: 50,000 training and 10,000 test photographs of ten kinds of things, 32x32 RGB."""

from __future__ import annotations

from pathlib import Path

from ganbaru.data.dataset import Dataset
from ganbaru.data.download import data_folders, fetch
from ganbaru.data.formats import cifar, open_path
from ganbaru.data.source import Original, Progress

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CHECKSUM = "md5:c32a1d4ab5d03f1284b67883e8d87530"


def original(split: str, data_dir: Path | None, progress: Progress) -> Original:
    """Find the split in any published form, or download the binary one (162 MiB)."""
    found = cifar.find(data_folders(data_dir), split)
    return found or open_path(fetch("cifar10", URL, CHECKSUM, progress), split)


DATASET = Dataset(
    "cifar10",
    original,
    shape=(32, 32, 3),
    classes=cifar.CLASSES,
    licence="no licence stated; its authors ask to cite Krizhevsky 2009",
)
