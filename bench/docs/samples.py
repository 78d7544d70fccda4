"""Pictures for pages that are run: python -m bench.docs.samples NAME ...

A name that ends in .zip becomes an archive of 64 pictures, with another ending it becomes one
picture, and without one a folder of 64.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

COUNT, SIDE = 64, 32


def picture(number: int) -> Image.Image:
    """Return a disc of another place, size and colours for each number."""
    rng = np.random.default_rng(number)
    x, y, radius = rng.uniform(10, 22, 2).tolist() + [rng.uniform(5, 9)]
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
    back, front = rng.integers(0, 128, 3), rng.integers(128, 256, 3)
    return Image.fromarray(np.where(inside[..., None], front, back).astype(np.uint8))


def write(path: Path) -> None:
    """Write the pictures that a name stands for."""
    if path.suffix == ".zip":
        folder = path.with_suffix("")
        write(folder)
        with zipfile.ZipFile(path, "w") as archive:
            for each in sorted(folder.iterdir()):
                archive.write(each, each.name)
    elif path.suffix:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(len(path.name)).save(path)
    else:
        path.mkdir(parents=True)
        for number in range(COUNT):
            picture(number).save(path / f"{number:03}.png")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write(Path(name))
