"""CelebA: 202,599 photographs of famous people's faces, 178x218 RGB, aligned by the eyes."""

from __future__ import annotations

from pathlib import Path

from ganbaru.data import local
from ganbaru.data.source import Original, Progress

SHAPE, CLASSES = (218, 178, 3), 0  # of an image (H, W, C); told without the files
LICENCE = "for research that is not commercial, as its authors say"


def original(split: str, data_dir: Path | None, progress: Progress) -> Original:
    """Find the aligned and cropped pictures as the published zip or a folder."""
    candidates = ("img_align_celeba.zip", "celeba/img_align_celeba", "img_align_celeba", "celeba")
    advice = "Get img_align_celeba.zip (Liu et al. 2015), the aligned and cropped pictures."
    return local.original("celeba", candidates, advice, split, data_dir)
