"""Where generated images go: one grid, a folder of PNGs, or an npz file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import files
from ganbaru.data import Progress
from ganbaru.errors import InputError
from ganbaru.sampling import image_io
from ganbaru.sampling.generators import Generator, Labels

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

    def batches(self) -> Iterator[tuple[image_io.Images, NDArray[np.int64] | None]]:
        """Make the images, batch by batch, and report how far they are."""
        made = 0
        for images, labels in self.generator.batches(self.seeds, self.labels, self.truncation):
            yield images, labels
            made += len(images)
            self.progress(made, len(self.seeds), "making images")


def each_seed(generator: Generator, n: int, seed: int, label: str | None, **how: Any) -> Wanted:
    """Want seeds that count up, of a label or (None) of each in turn: a grid's columns then."""
    columns = image_io.columns(len(generator.classes))
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
    image_io.save_png(path, image_io.grid(images, wanted.columns))


def _folder(path: Path, wanted: Wanted) -> None:
    path.mkdir(exist_ok=True)
    seeds = iter(wanted.seeds)
    for images, labels in wanted.batches():
        for i, image in enumerate(images):
            of = "" if labels is None else f"-label{labels[i]}"
            image_io.save_png(path / f"seed{next(seeds):08d}{of}.png", image)


def _npz(path: Path, wanted: Wanted) -> None:
    """Write images as they are made: memory stays flat, however many there are."""
    with files.replacing(path) as temporary, _archive(temporary) as archive:
        labels = []
        with archive.open("images.npy", "w", force_zip64=True) as file:
            for i, (images, of) in enumerate(wanted.batches()):
                if not i:
                    _begin(file, (len(wanted.seeds), *images.shape[1:]), images.dtype)
                file.write(images.tobytes())
                labels += [] if of is None else [of]
        if labels:
            with archive.open("labels.npy", "w") as file:
                np.save(file, np.concatenate(labels))


def _archive(path: Path) -> zipfile.ZipFile:
    # Level 1 takes a third of the time of level 6, for an eighth more bytes (digits, 28x28).
    return zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1)


def _begin(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Write the head of an array whose numbers follow."""
    about = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, about)  # type: ignore[arg-type]
