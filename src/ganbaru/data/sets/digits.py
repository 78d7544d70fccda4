"""The 1,797 handwritten digits that come with scikit-learn, 8x8 grey: the offline default."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ganbaru.data.cache import kept
from ganbaru.data.source import Arrays, Original, Progress, checked, of_reader

SHAPE, CLASSES = (8, 8, 1), 10  # of an image (H, W, C); told without the files
LICENCE = "CC BY 4.0, as the UCI repository says (Alpaydin and Kaynak 1998)"


def original(split: str, data_dir: Path | None, progress: Progress) -> Original:
    """Take every sixth image for testing (300 of them), the others for training (1,497)."""

    def read() -> Arrays:
        # Importing scikit-learn takes a second: once, since its digits never change.
        found = kept("digits-1", _decode)
        sixth = np.arange(len(found["images"])) % 6 == 0
        chosen = {"train": ~sixth, "test": sixth}[split]
        return checked("digits", found["images"][chosen], found["labels"][chosen])

    return of_reader("digits", f"digits/{split}", "1", read)


def _decode() -> dict[str, np.ndarray]:
    from sklearn.datasets import load_digits

    found = load_digits()
    values = np.rint(found.images * (255 / 16)).astype(np.uint8)
    return {"images": values, "labels": found.target.astype(np.int64)}
