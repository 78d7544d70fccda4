"""Where generated images go: one grid, a folder of PNGs, or an npz file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganbaru import files, media
from ganbaru.data import Progress
from ganbaru.errors import InputError
from ganbaru.sample import Generator

MOST_IN_GRID = 4096


@dataclass(frozen=True)
class Wanted:
    """What to make: `n` images from `seed` on, of a label or (None) of each in turn."""

    generator: Generator
    n: int
    seed: int
    label: str | None
    progress: Progress

    def batches(self) -> Iterator[tuple[media.Images, NDArray[np.int64] | None]]:
        """Make the images, batch by batch, and report how far they are."""
        made = 0
        for images, labels in self.generator.batches(self.n, self.seed, self.label):
            yield images, labels
            made += len(images)
            self.progress(made, self.n, "making images")


def writer(path: Path) -> Callable[[Wanted], None]:
    """Choose by the name's ending: .png a grid, .npz arrays, no ending a folder."""
    endings: dict[str, Callable[[Path, Wanted], None]] = {
        ".png": _grid, ".npz": _npz, "": _folder,
    }  # fmt: skip
    if path.suffix.lower() not in endings:
        raise InputError(
            f"Cannot write images to {path}: give a name ending in .png (one grid) or .npz, or a "
            f"folder's name without an ending (a PNG for each)."
        )
    write = endings[path.suffix.lower()]

    def checked(wanted: Wanted) -> None:
        with files.writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, wanted)

    return checked


def _grid(path: Path, wanted: Wanted) -> None:
    if wanted.n > MOST_IN_GRID:
        raise InputError(
            f"A grid of {wanted.n:,} images would be too large to look at (at most "
            f"{MOST_IN_GRID:,}): write them to a folder or an .npz file."
        )
    images = np.concatenate([images for images, _ in wanted.batches()])
    columns = media.columns(len(wanted.generator.classes))
    by_class = wanted.generator.classes and wanted.label is None and wanted.n >= columns
    media.save_png(path, media.grid(images, columns if by_class else None))


def _folder(path: Path, wanted: Wanted) -> None:
    path.mkdir(exist_ok=True)
    seed = wanted.seed
    for images, labels in wanted.batches():
        for i, image in enumerate(images):
            of = "" if labels is None else f"-label{labels[i]}"
            media.save_png(path / f"seed{seed:08d}{of}.png", image)
            seed += 1


def _npz(path: Path, wanted: Wanted) -> None:
    batches = list(wanted.batches())
    arrays = {"images": np.concatenate([images for images, _ in batches])}
    if wanted.generator.classes:
        arrays["labels"] = np.concatenate([labels for _, labels in batches if labels is not None])
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
