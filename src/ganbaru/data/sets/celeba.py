"""CelebA: 202,599 photographs of famous people's faces, 178x218 RGB, aligned by the eyes."""

from __future__ import annotations

from ganbaru.data.dataset import Dataset
from ganbaru.data.published import LocalFiles

FILES = LocalFiles(
    "celeba",
    ("img_align_celeba.zip", "celeba/img_align_celeba", "img_align_celeba", "celeba"),
    "Get img_align_celeba.zip (Liu et al. 2015), the aligned and cropped pictures.",
)
DATASET = Dataset(
    "celeba",
    FILES,
    shape=(218, 178, 3),
    classes=(),
    place=FILES.place,
    licence="for non-commercial research, as its authors say",
)
