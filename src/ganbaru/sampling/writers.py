"""Write generated images: one PNG grid, a folder of PNGs, or an .npz file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import files
from ganbaru.data import Progress, attributes
from ganbaru.errors import InputError
from ganbaru.sampling import image_io
from ganbaru.sampling.generators import Generator
from ganbaru.sampling.labels import Labels

MOST_IN_GRID = 4096


@dataclass(frozen=True)
class Job:
    """Images to generate: one for each seed, with labels as `Generator.sample` takes them.

    `columns` is the number of images in a row of a grid; None: a square grid.
    """

    generator: Generator
    seeds: Sequence[int]
    labels: Labels
    columns: int | None
    truncation: float
    progress: Progress

    def __post_init__(self) -> None:
        """Raise InputError for a wrong label or truncation before anything is generated."""
        self.generator.labels(self.seeds, self.labels)
        self.generator.latents(self.seeds[:1], self.truncation)

    def batches(self) -> Iterator[tuple[image_io.Images, NDArray[Any] | None]]:
        """Yield images and labels in batches, and report progress."""
        made = 0
        for images, labels in self.generator.batches(self.seeds, self.labels, self.truncation):
            yield images, labels
            made += len(images)
            self.progress(made, len(self.seeds), "making images")


def each_seed(generator: Generator, n: int, seed: int, label: str | None, **how: Any) -> Job:
    """Return the job for n seeds with one label, or (None) each in turn, as a grid's columns."""
    columns = image_io.columns(len(generator.classes))
    in_turn = generator.classes and label is None and n >= columns
    return Job(generator, generator.seeds(n, seed), label, columns if in_turn else None, **how)


def every_label(generator: Generator, n: int, seed: int, label: str | None, **how: Any) -> Job:
    """Return the job for every label of each seed: a grid's row is a seed, its column a label.

    With attributes, each in turn at its low and its high end (`attributes.contrasts`).
    """
    classes = len(generator.classes)
    if generator.attributes and label is None:
        chosen = generator.seeds(n, seed)
        rows = attributes.contrasts(generator.attributes, chosen)
        repeats = len(rows) // n
        return Job(generator, [s for s in chosen for _ in range(repeats)], rows, repeats, **how)
    if not classes or label is not None:
        raise InputError(
            "--every-label needs a generator with labels and no --label: it generates each seed "
            "with all of them."
        )
    seeds = [each for each in generator.seeds(n, seed) for _ in range(classes)]
    return Job(generator, seeds, np.tile(np.arange(classes), n), classes, **how)


Writer = Callable[[Path, Job], None]
Format = Callable[[list[Path], Job], None]


def writer(path: Path, overwrite: bool = False) -> Writer:
    """Choose the format by a name's ending: .png a grid, .npz arrays, no ending a folder.

    Without `overwrite` the writer raises InputError for files that ganbaru did not write, before
    it generates an image.
    """
    endings: dict[str, Format] = {".png": _grid, ".npz": _npz, "": _folder}
    if path.suffix.lower() not in endings:
        raise InputError(
            f"Cannot write images to {path}: give a name ending in .png (one grid) or .npz, or a "
            f"folder's name without an ending (a PNG for each)."
        )
    write = endings[path.suffix.lower()]

    def checked(path: Path, job: Job) -> None:
        with files.writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write([files.output(each, overwrite) for each in _paths(path, job)], job)

    return checked


def _paths(path: Path, job: Job) -> list[Path]:
    """Return the files of a job: one, or in a folder one for each image."""
    if path.suffix:
        return [path]
    path.mkdir(exist_ok=True)
    labels = job.generator.labels(job.seeds, job.labels)
    marks = image_io.label_marks(job.generator.classes)
    of = [marks[label] for label in labels] if marks and labels is not None else []
    if job.generator.attributes and len({*job.seeds}) < len(job.seeds):  # several rows of a seed
        of = [f"-row{i % (job.columns or 1):02d}" for i in range(len(job.seeds))]
    of = of or [""] * len(job.seeds)
    return [path / f"seed{seed:08d}{of[i]}.png" for i, seed in enumerate(job.seeds)]


def _grid(paths: list[Path], job: Job) -> None:
    if len(job.seeds) > MOST_IN_GRID:
        raise InputError(
            f"A grid holds at most {MOST_IN_GRID:,} images, not {len(job.seeds):,}: write them to "
            f"a folder or an .npz file."
        )
    images = np.concatenate([images for images, _ in job.batches()])
    image_io.save_png(paths[0], image_io.grid(images, job.columns))


def _folder(paths: list[Path], job: Job) -> None:
    each = iter(paths)
    for images, _ in job.batches():
        for image in images:
            image_io.save_png(next(each), image)


def _npz(paths: list[Path], job: Job) -> None:
    """Write images as they are generated: memory use does not depend on their number."""
    # Level 1 takes a third of the time of level 6, for an eighth more bytes (28x28 digits).
    how: dict[str, Any] = {"compression": zipfile.ZIP_DEFLATED, "compresslevel": 1}
    with files.replacing(paths[0]) as made, zipfile.ZipFile(made, "w", **how) as archive:
        archive.comment = b"ganbaru"
        labels = []
        with archive.open("images.npy", "w", force_zip64=True) as file:
            for i, (images, of) in enumerate(job.batches()):
                if not i:
                    _begin(file, (len(job.seeds), *images.shape[1:]), images.dtype)
                file.write(images.tobytes())
                labels += [] if of is None else [of]
        if labels:
            for name, array in labelled(job.generator, np.concatenate(labels)).items():
                with archive.open(f"{name}.npy", "w") as file:
                    np.save(file, array)


def labelled(generator: Generator, labels: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz that describe labels, or attributes in their own ranges."""
    if columns := generator.attributes:
        values, names = attributes.unscaled(columns, labels), [each.name for each in columns]
        return {"attributes": values, "attribute_names": np.array(names)}
    return {"labels": labels, "class_names": np.array(generator.classes)}


def _begin(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    about = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, about)  # type: ignore[arg-type]
