"""Memorization: copies of training images among generated ones, with a calibrated copy rate.

Duplicates in the training set are listed first and then count as one image, since a copy of a
duplicate has two equally near neighbours. `nearest` defines the distance, `copy_rate` the rate and
its p-value.

Held out are test images that are not in the training set too. Without test images, each training
image is compared with all others: to them it is as unseen as a new one, and splitting a set that
the generator has trained on would give no better ones.
"""

from __future__ import annotations

import dataclasses
import html
import math
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import __version__, data, files, randomness, records
from ganbaru.data import Progress, Source
from ganbaru.errors import InputError, keywords
from ganbaru.formatting import Brief, html_picture
from ganbaru.metrics import candidates, evaluation, neighbour_sheet
from ganbaru.metrics.candidates import Candidate
from ganbaru.metrics.copy_rate import MIN_IMAGES, Copying, Ratios, copy_rate, distance_ratios
from ganbaru.metrics.nearest import SAME, Index, Nearest, duplicates, thinned
from ganbaru.metrics.neighbour_sheet import Neighbours

DEFAULT_IMAGES = 1000
HELD_OUT = 2000  # at most: the baseline's own error is then a third of it
SIGNIFICANT = 0.01  # p-values below it count as copying

Sources = tuple[Source, Source | None]  # training images, and test images if there are any
FOLDER, RESULT, SHEET = "authenticity", "result.json", "neighbours.png"


@dataclass(frozen=True)
class Suspect:
    """An image below the threshold, with the training image that it may be a copy of."""

    image: int  # a run's seed, or the index among the images given
    training: int  # index in the training set
    distance: float  # from 0 to 2
    ratio: float


@dataclass(frozen=True, repr=False)
class Authenticity(Brief):
    """The result of `authenticity`."""

    SHOWN = ("subject", "data", "images", "is_copying", "copying", "folder")

    subject: str
    origin: dict[str, Any]
    data: str
    fingerprint: str
    images: int  # number of examined images
    training: int  # number of training images
    repeated: int  # of them that duplicate another
    duplicates: tuple[tuple[int, ...], ...]  # indices, the largest groups first
    held_out: str
    copying: Copying
    suspects: tuple[Suspect, ...]  # the likeliest copies first
    notes: tuple[str, ...]
    seconds: float = 0.0
    folder: Path = Path()  # of the result and the neighbour sheet

    @property
    def is_copying(self) -> bool:
        """Whether more images are near training ones than chance explains: p below 0.01."""
        return self.copying.p < SIGNIFICANT

    def _repr_html_(self) -> str:
        """Return the verdict and the sheet of nearest neighbours for notebooks."""
        sheet = self.folder / "neighbours.png"
        text = f"<p>{html.escape(self.verdict())}</p>"
        if not sheet.is_file():
            return text
        return text + html_picture(sheet.read_bytes(), 640, "generated images and their neighbours")

    def to_json(self) -> dict[str, Any]:
        """Return plain dictionaries and numbers, without the folder."""
        found = dataclasses.asdict(self)
        del found["folder"]
        return found

    def verdict(self) -> str:
        """Return the result and the null hypothesis of its p-value in two or three sentences."""
        found = self.copying
        share = f"{found.share:.1%} of {self.images:,} images are suspiciously near a training one"
        few = (found.independent or self.images) < self.images
        of = f", of {found.independent:,} images that differ" if few else ""
        chance = (
            f"{found.floor:.1%} of unseen real ones are (p = {found.p:.2g}{of}: the probability of "
            f"as many if its images were around the training set as unseen real ones are)"
        )
        if not self.is_copying:
            return f"No sign of copying: {share}, and {chance}."
        return (
            f"It copies: about {found.rate:.1%} of its images are copies of training images "
            f"({found.low:.1%} to {found.high:.1%}). {share}; {chance}."
        )


@keywords(data="against", range="value_range")
def authenticity(
    what: str | Path | NDArray[Any],
    against: str | Path | None = None,
    *,
    number: int | None = None,
    seed: int = 0,
    checkpoint: str = "auto",
    engine: str = "numpy",
    device: str = "auto",
    image_size: tuple[int, int] | None = None,
    data_dir: Path | None = None,
    output: str | Path | None = None,
    progress: Progress | bool = True,
    overwrite: bool = False,
    trust: Collection[str] = (),
    fit: str | None = None,
    value_range: str | None = None,
) -> Authenticity:
    """Look for copies of training images among a run's images, or a folder, file or array of them.

    `against` is the training data (None: the run's own), `number` how many images are examined
    (None: 1,000 at most), `image_size` (height, width) what images in files of different sizes are
    cropped and resized to, by default the data's; `fit` and `value_range` are as in `data.load`,
    for the training data (None: the run's). Writes ``result.json`` and ``neighbours.png`` into
    `output`, by default ``authenticity`` in the run's folder, or in the current one for images
    without a run. `trust` is as in `ganbaru.load`, for the run's network and data.
    Takes a minute and 600 MB for 60,000 training images of 28x28 (one core), a second for 1,000.
    Raises InputError when the data are not those of the run, or too few, and without `overwrite`
    for files of those names that ganbaru did not write. `progress` is as in `ganbaru.evaluate`.
    """
    began = time.perf_counter()
    reading = {"fit": fit, "value_range": value_range}
    with data.shown(progress) as report:
        candidate = candidates.find(
            what, checkpoint, engine, device, image_size, report, trust, against, data_dir, reading
        )
        folder = Path(output) if output else (candidate.folder or Path()) / FOLDER
        if output or not candidate.folder:
            for name in (RESULT, SHEET) if folder.is_dir() else ():
                files.output(folder / name, overwrite)
        sources = _training_data(candidate, against, data_dir, report)
        count = _checked_count(candidate, number)
        found, shown = _examine(candidate, sources, count, seed, report)
    seconds = round(time.perf_counter() - began, 1)
    found = dataclasses.replace(found, seconds=seconds, folder=folder)
    _write(found, shown)
    return found


def _examine(
    candidate: Candidate, sources: Sources, count: int, seed: int, progress: Progress
) -> tuple[Authenticity, Neighbours]:
    source, test = sources
    everything = Index(source.images, np.arange(len(source.images)))
    groups = duplicates(everything, progress)
    index = _without_duplicates(everything, groups)
    held_out, kind, notes = _held_out_ratios(index, test, progress)
    images, _ = candidate.images(count, seed, progress, None)
    found = index.nearest(images, progress, "looking for copies")
    ratios = distance_ratios(found)
    different = thinned(images, found.distances[:, 0], progress)
    copying = copy_rate(ratios, held_out, different)
    first = seed if candidate.config else 0
    result = Authenticity(
        subject=candidate.name,
        origin={**candidate.origin, "seed": seed},
        data=source.name,
        fingerprint=source.fingerprint,
        images=count,
        training=len(source.images),
        repeated=len(source.images) - len(index.indices),
        duplicates=tuple(tuple(group.tolist()) for group in groups),
        held_out=kind,
        copying=copying,
        suspects=_suspects(found, ratios, copying, first),
        notes=notes + candidate.notes,
    )
    return result, Neighbours(images, found, ratios, source.images, first)


def _training_data(
    candidate: Candidate, against: str | Path | None, data_dir: Path | None, progress: Progress
) -> Sources:
    """Load the training images of a candidate, and test images if there are any."""
    what = against or (candidate.config.data if candidate.config else "")
    if not what:
        raise InputError(f"Give the training data of {candidate.name}: --data X.")
    source, test = evaluation.reals(candidate, against, data_dir, progress)
    own = candidate.trained_on
    if own and own["fingerprint"] != source.fingerprint:
        raise InputError(
            f"{candidate.name} was trained on {own['name']} ({own['fingerprint'][:12]}), and "
            f"{source.name} ({source.fingerprint[:12]}) is another set or has changed since: "
            f"copies are found only among its training images. Give those with --data, or leave "
            f"--data out."
        )
    return source, test


def _checked_count(candidate: Candidate, number: int | None) -> int:
    count = int(min(candidate.most, DEFAULT_IMAGES)) if number is None else number
    if not MIN_IMAGES <= count <= candidate.most:
        has = f" and {candidate.name} has {candidate.most:,}" if candidate.most < math.inf else ""
        raise InputError(
            f"Cannot look for copies among {count} images: a rate needs {MIN_IMAGES} or "
            f"more{has}. Give -n from {MIN_IMAGES}, or more images."
        )
    return count


def _without_duplicates(index: Index, groups: list[NDArray[np.int64]]) -> Index:
    """Keep the first of each group; raises InputError if too few are left."""
    repeats = [group[1:] for group in groups]
    indices = np.setdiff1d(index.indices, np.concatenate(repeats)) if groups else index.indices
    if len(indices) < MIN_IMAGES:
        raise InputError(
            f"The training set has only {len(indices)} different images, and a copy rate needs "
            f"{MIN_IMAGES} or more to estimate what is near by chance."
        )
    return Index(index.images, indices) if groups else index


def _held_out_ratios(
    index: Index, test: Source | None, progress: Progress
) -> tuple[Ratios, str, tuple[str, ...]]:
    """Return the ratios of held-out reals, their description, and notes."""
    if test is None or len(test.images) < MIN_IMAGES:
        own = _choose(len(index.indices))
        images = index.images[index.indices[own]]
        found = index.nearest(images, progress, "calibrating", own)
        kind = f"{len(own):,} training images, each compared with the others"
        return distance_ratios(found), kind, ()
    found = index.nearest(test.images[_choose(len(test.images))], progress, "calibrating")
    unseen = found.distances[:, 0] > SAME
    seen = int((~unseen).sum())
    if unseen.sum() < MIN_IMAGES:
        raise InputError(
            f"{seen} of {len(unseen)} test images of {test.name} are in the training set too, so "
            f"too few are held out. Give --data without test images: then each training image is "
            f"compared with the others."
        )
    notes = (f"{seen:,} test images are in the training set too, and were left out.",)
    kind = f"{int(unseen.sum()):,} test images"
    return distance_ratios(found)[unseen], kind, notes if seen else ()


def _choose(count: int) -> NDArray[np.int64]:
    """Return up to 2,000 of `count` indices, always the same."""
    return np.sort(randomness.permutation(0, "authenticity", 0, count)[:HELD_OUT])


def _suspects(found: Nearest, ratios: Ratios, copying: Copying, first: int) -> tuple[Suspect, ...]:
    order = np.argsort(ratios, kind="stable")[: int((ratios < copying.threshold).sum())]
    nearest, distances = found.indices[:, 0].tolist(), found.distances[:, 0].tolist()
    return tuple(
        Suspect(first + i, nearest[i], distances[i], float(ratios[i])) for i in order.tolist()
    )


def _write(found: Authenticity, shown: Neighbours) -> None:
    folder = found.folder
    with files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    neighbour_sheet.save(shown, folder / SHEET)
    files.write_json(folder / RESULT, {"ganbaru": __version__, **found.to_json()})


def stored(folder: Path) -> Authenticity | None:
    """Return the result stored in a run's folder, None without one."""
    path = folder / FOLDER / RESULT
    if not path.exists():
        return None
    found = records.read(path, Authenticity, "Delete it; `ganbaru authenticity` writes a new one.")
    return dataclasses.replace(found, folder=path.parent)
