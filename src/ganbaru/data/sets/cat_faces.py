"""Cat faces: thousands of photographs, 64x64 RGB, aligned by the eyes, without labels."""

from __future__ import annotations

from pathlib import Path

from ganbaru.data import local
from ganbaru.data.source import Original, Progress

SHAPE, CLASSES = (64, 64, 3), 0  # of an image (H, W, C); told without the files


def original(split: str, data_dir: Path | None, progress: Progress) -> Original:
    """Find the pictures as a zip or a folder."""
    candidates = ("cat-faces-64.zip", "cat-faces", "cats")
    advice = (
        'Get "Cats faces 64x64 (for generative models)" from Kaggle: a zip or folder of JPEG files.'
    )
    return local.original("cat-faces", candidates, advice, split, data_dir)
