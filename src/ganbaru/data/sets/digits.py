"""The 1,797 handwritten digits that come with scikit-learn, 8x8 grey: the offline default."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from ganbaru.data.arrays import checked
from ganbaru.data.dataset import Dataset
from ganbaru.data.source import Original, Progress, Samples
from ganbaru.files import cached


def original(split: str, data_dir: Path | None, progress: Progress) -> Original:
    """Take every sixth image for testing (300 of them), the others for training (1,497)."""

    def read() -> Samples:
        # Importing scikit-learn takes a second: once, since its digits never change.
        with np.load(io.BytesIO(cached("digits-1.npz", _npz))) as found:
            images, labels = found["images"], found["labels"]
        sixth = np.arange(len(images)) % 6 == 0
        chosen = {"train": ~sixth, "test": sixth}[split]
        return checked("digits", images[chosen], labels[chosen])

    return Original("digits", f"digits/{split}", "1", read)


def _npz() -> bytes:
    from sklearn.datasets import load_digits

    found, stream = load_digits(), io.BytesIO()
    images = np.rint(found.images * (255 / 16)).astype(np.uint8)
    np.savez_compressed(stream, images=images, labels=found.target.astype(np.int64))
    return stream.getvalue()


DATASET = Dataset(
    "digits",
    original,
    shape=(8, 8, 1),
    classes=tuple("0123456789"),
    licence="CC BY 4.0, as the UCI repository says (Alpaydin and Kaynak 1998)",
)
