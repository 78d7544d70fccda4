"""The sizes of all cases: full, and quick (within a minute)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Size(NamedTuple):
    """The size of a step: square images, base channels (`width`) and batch."""

    size: int
    channels: int
    width: int
    batch: int

    def __str__(self) -> str:
        return f"{self.size}x{self.size}x{self.channels}, width {self.width}, batch {self.batch}"


@dataclass(frozen=True)
class Scale:
    """The sizes of all cases."""

    rounds: int
    warm: int  # warm-up turns
    starts: int  # new processes of each kind
    steps: tuple[Size, ...]
    middle: Size  # the following cases vary one field of it
    batches: tuple[int, ...]
    widths: tuple[int, ...]
    sizes: tuple[int, ...]
    compiled: bool  # whether to include those that compile for a minute
    ours: tuple[str, ...]  # our engines in all cases but `step`, which has all chosen ones
    sampled: Size  # its batch is that of plain code
    few: int  # images of the short and the long sampling
    many: int
    digits: int  # images to load, 28x28
    faces: int  # and JPEG files, 64x64
    squares: tuple[int, ...]  # sides of matrices multiplied
    copied: int  # MiB


FULL = Scale(
    rounds=12, warm=2, starts=9,
    steps=(Size(64, 1, 64, 64), Size(64, 3, 64, 64), Size(64, 3, 32, 64), Size(28, 1, 32, 64)),
    middle=Size(64, 3, 32, 64),
    batches=(8, 16, 32, 64, 128, 256), widths=(8, 16, 32, 64), sizes=(16, 32, 64, 128),
    compiled=True, ours=("numpy", "torch", "tensorflow", "jax"),
    sampled=Size(64, 3, 64, 64), few=1_000, many=10_000,
    digits=60_000, faces=10_000, squares=(256, 512, 1024, 2048), copied=512,
)  # fmt: skip
QUICK = Scale(
    rounds=3, warm=1, starts=1,
    steps=(Size(32, 1, 16, 32),),
    middle=Size(32, 1, 16, 32),
    batches=(8, 32), widths=(8, 16), sizes=(16, 32),
    compiled=False, ours=("numpy",),
    sampled=Size(32, 1, 16, 64), few=64, many=512,
    digits=6_000, faces=500, squares=(512,), copied=64,
)  # fmt: skip
