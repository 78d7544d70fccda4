"""Cat faces: thousands of photographs, 64x64 RGB, aligned by the eyes, without labels."""

from __future__ import annotations

from ganbaru.data.dataset import Dataset
from ganbaru.data.published import LocalFiles

FILES = LocalFiles(
    "cat-faces",
    ("cat-faces-64.zip", "cat-faces", "cats"),
    'Get "Cats faces 64x64 (for generative models)" from Kaggle: a zip or folder of JPEG files.',
)
DATASET = Dataset(
    "cat-faces",
    FILES,
    shape=(64, 64, 3),
    classes=(),
    place=FILES.place,
)
