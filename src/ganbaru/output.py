"""Where generated images go: one grid, a folder of PNGs, or an npz file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import files, media
from ganbaru.data import Progress
from ganbaru.errors import InputError
from ganbaru.sample import Generator, Labels

MOST_IN_GRID = 4096


@dataclass(frozen=True)
class Wanted:
    """What to make: an image of each seed, with labels as `Generator.sample` takes them.

    `columns` is how many images a row of a grid has; None: as many as make it square.
    """

    generator: Generator
    seeds: Sequence[int]
    labels: Labels
    columns: int | None
    truncation: float
    progress: Progress

    def __post_init__(self) -> None:
        """Refuse a wrong label or truncation before anything is made."""
        self.generator.labels(self.seeds, self.labels)
        self.generator.latents(self.seeds[:1], self.truncation)

    def batches(self) -> Iterator[tuple[media.Images, NDArray[np.int64] | None]]:
        """Make the images, batch by batch, and report how far they are."""
        made = 0
        for images, labels in self.generator.batches(self.seeds, self.labels, self.truncation):
            yield images, labels
            made += len(images)
            self.progress(made, len(self.seeds), "making images")


def each_seed(generator: Generator, n: int, seed: int, label: str | None, **how: Any) -> Wanted:
    """Want seeds that count up, of a label or (None) of each in turn: a grid's columns then."""
    columns = media.columns(len(generator.classes))
    in_turn = generator.classes and label is None and n >= columns
    return Wanted(generator, generator.seeds(n, seed), label, columns if in_turn else None, **how)


def every_label(generator: Generator, n: int, seed: int, label: str | None, **how: Any) -> Wanted:
    """Want every label of each seed: a grid's row is one seed, its column one label."""
    classes = len(generator.classes)
    if not classes or label is not None:
        raise InputError(
            "--every-label needs a generator with labels, and no --label: it draws each seed with "
            "all of them."
        )
    seeds = [one for one in generator.seeds(n, seed) for _ in range(classes)]
    return Wanted(generator, seeds, list(range(classes)) * n, classes, **how)


Writer = Callable[[Path, Wanted], None]


def writer(path: Path) -> Writer:
    """Choose by a name's ending: .png a grid, .npz arrays, no ending a folder."""
    endings: dict[str, Writer] = {".png": _grid, ".npz": _npz, "": _folder}
    if path.suffix.lower() not in endings:
        raise InputError(
            f"Cannot write images to {path}: give a name ending in .png (one grid) or .npz, or a "
            f"folder's name without an ending (a PNG for each)."
        )
    write = endings[path.suffix.lower()]

    def checked(path: Path, wanted: Wanted) -> None:
        with files.writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, wanted)

    return checked


def _grid(path: Path, wanted: Wanted) -> None:
    if len(wanted.seeds) > MOST_IN_GRID:
        raise InputError(
            f"A grid of {len(wanted.seeds):,} images would be too large to look at (at most "
            f"{MOST_IN_GRID:,}): write them to a folder or an .npz file."
        )
    images = np.concatenate([images for images, _ in wanted.batches()])
    media.save_png(path, media.grid(images, wanted.columns))


def _folder(path: Path, wanted: Wanted) -> None:
    path.mkdir(exist_ok=True)
    seeds = iter(wanted.seeds)
    for images, labels in wanted.batches():
        for i, image in enumerate(images):
            of = "" if labels is None else f"-label{labels[i]}"
            media.save_png(path / f"seed{next(seeds):08d}{of}.png", image)


def _npz(path: Path, wanted: Wanted) -> None:
    batches = list(wanted.batches())
    arrays = {"images": np.concatenate([images for images, _ in batches])}
    if wanted.generator.classes:
        arrays["labels"] = np.concatenate([labels for _, labels in batches if labels is not None])
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
