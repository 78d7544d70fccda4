"""Is it copying? Generated images beside the nearest training images, and a calibrated copy rate.

First the training set itself: pictures that are there more than once are listed and then count as
one, since a copy of such a picture has two equal neighbours. `nearest` says what near is, and
`copying` how a rate and its p-value are made.

Held out are test images, less those that are in the training set too. Where there are none, each
training image is compared with all the others: to them it is as fresh as a new one, and splitting a
set that the generator has learnt from would give no fresher ones.
"""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import data, files, randomness
from ganbaru.data import Progress, Source
from ganbaru.errors import InputError
from ganbaru.metrics import candidates, evaluation, neighbour_sheet
from ganbaru.metrics import copy_rate as rates
from ganbaru.metrics.candidates import Candidate, Trained
from ganbaru.metrics.copy_rate import Copying
from ganbaru.metrics.nearest import SAME, Index, Nearest, duplicates
from ganbaru.metrics.neighbour_sheet import Neighbours
from ganbaru.training import checkpoint

COUNT = 1000  # images looked at, unless more are asked for
HELD_OUT = 2000  # at most: the floor's own error is then a third of it
ACCUSED = 0.01  # a p-value below it

FOLDER, RESULT, SHEET = "authenticity", "result.json", "neighbours.png"


@dataclass(frozen=True)
class Suspect:
    """An image below the threshold, with the training image that it may be a copy of."""

    image: int  # a run's seed, or the place among the images given
    training: int  # place in the training set
    distance: float  # from 0 to 2
    ratio: float


@dataclass(frozen=True)
class Authenticity:
    """What `authenticity` found."""

    subject: str
    origin: dict[str, Any]
    data: str
    fingerprint: str
    images: int  # looked at
    training: int  # images, as many as there are
    repeated: int  # of them that are another's duplicate
    duplicates: tuple[tuple[int, ...], ...]  # places, the largest groups first
    held_out: str  # in words
    copying: Copying
    suspects: tuple[Suspect, ...]  # the likeliest copies first
    notes: tuple[str, ...]
    seconds: float
    folder: Path  # of the result and the picture

    @property
    def accused(self) -> bool:
        """Whether there are more than chance explains: the p-value is below 0.01."""
        return self.copying.p < ACCUSED

    def to_json(self) -> dict[str, Any]:
        """Return plain dictionaries and numbers, and no path of this machine."""
        found = dataclasses.asdict(self)
        del found["folder"]
        return found

    def verdict(self) -> str:
        """Say in a sentence what was found."""
        found = self.copying
        share = f"{found.share:.1%} of {self.images:,} images lie suspiciously near a training one"
        chance = f"of fresh real ones {found.floor:.1%} do (p = {found.p:.2g})"
        if not self.accused:
            return f"No sign of copying: {share}, and {chance}."
        return (
            f"It copies: about {found.rate:.1%} of its images are copies of training images "
            f"({found.low:.1%} to {found.high:.1%}). {share}; {chance}."
        )


def authenticity(
    what: str | Path | NDArray[Any],
    against: str | Path | None = None,
    *,
    number: int | None = None,
    seed: int = 0,
    checkpoint: str = "newest",
    engine: str = "numpy",
    device: str = "auto",
    image_size: tuple[int, int] | None = None,
    data_dir: Path | None = None,
    output: str | Path | None = None,
    progress: Progress = data.silent,
) -> Authenticity:
    """Look for copies of training images among a run's images, or a folder, file or array of them.

    `against` is what they were trained on (None: the run's own data), `number` how many images are
    looked at (None: 1,000 at most), `image_size` (height, width) what images in files of different
    sizes are cropped and resized to. Writes ``result.json`` and ``neighbours.png`` into `output`,
    by default the folder ``authenticity`` in the run's, or here for images that are no run's.
    Takes a minute and 600 MB for 60,000 training images of 28x28 (one core), a second for 1,000.
    Raises InputError when the data are not those of the run, or too few.
    """
    begun = time.perf_counter()
    entrant = candidates.find(what, checkpoint, engine, device, image_size, progress)
    source, test = _training(entrant, against, data_dir, progress)
    count = _count(entrant, number)
    place = Path(output) if output else (entrant.folder or Path()) / FOLDER
    found, shown = _examined(entrant, source, test, count, seed, place, progress)
    found = dataclasses.replace(found, seconds=round(time.perf_counter() - begun, 1))
    _write(found, shown)
    return found


def _examined(
    entrant: Candidate, source: Source, test: Source | None, count: int, seed: int, place: Path,
    progress: Progress,
) -> tuple[Authenticity, Neighbours]:  # fmt: skip
    everything = Index(source.images, np.arange(len(source.images)))
    groups = duplicates(everything, progress)
    index = _without_repeats(everything, groups)
    held_out, called, notes = _held_out(index, test, progress)
    images, _ = entrant.images(count, seed, progress)
    found = index.nearest(images, progress, "looking for copies")
    ratios = rates.ratios(found)
    copies, first = rates.copying(ratios, held_out), seed if isinstance(entrant, Trained) else 0
    verdict = Authenticity(
        subject=entrant.name,
        origin=entrant.origin(count, seed),
        data=source.name,
        fingerprint=source.fingerprint,
        images=count,
        training=len(source.images),
        repeated=len(source.images) - len(index.places),
        duplicates=tuple(tuple(group.tolist()) for group in groups),
        held_out=called,
        copying=copies,
        suspects=_suspects(found, copies, first),
        notes=notes,
        seconds=0.0,
        folder=place,
    )
    return verdict, Neighbours(images, found, ratios, source.images, first)


def _training(
    entrant: Candidate, against: str | Path | None, data_dir: Path | None, progress: Progress
) -> tuple[Source, Source | None]:
    """Load the images that the entrant was trained on, and test images if there are any."""
    what = against or entrant.data
    if what is None:
        raise InputError(f"Say what {entrant.name} was trained on: --data X.")
    source, test = evaluation.reals(entrant, what, data_dir, progress)
    if isinstance(entrant, Trained):
        _check_own(entrant, source)
    return source, test


def _check_own(entrant: Trained, source: Source) -> None:
    about = checkpoint.load(entrant.checkpoint)[1].data
    if about["fingerprint"] != source.fingerprint:
        raise InputError(
            f"{entrant.name} was trained on {about['name']} ({about['fingerprint'][:12]}), and "
            f"{source.name} ({source.fingerprint[:12]}) is another set or has changed since: "
            f"copies are found only among the images that it learnt from. Give those with --data, "
            f"or leave --data out."
        )


def _count(entrant: Candidate, number: int | None) -> int:
    count = int(min(entrant.most, COUNT)) if number is None else number
    if not rates.LEAST <= count <= entrant.most:
        there = "" if entrant.most == float("inf") else f" and {entrant.name} has {entrant.most:,}"
        raise InputError(
            f"Cannot look for copies among {count} images: a rate needs {rates.LEAST} or "
            f"more{there}. Give -n from {rates.LEAST}, or more images."
        )
    return count


def _without_repeats(index: Index, groups: list[NDArray[np.int64]]) -> Index:
    """Keep the first of each group; raises InputError if too few are left."""
    repeats = [group[1:] for group in groups]
    places = np.setdiff1d(index.places, np.concatenate(repeats)) if groups else index.places
    if len(places) < rates.LEAST:
        raise InputError(
            f"The training set has only {len(places)} different images, and a copy rate needs "
            f"{rates.LEAST} or more: among fewer, what is near by chance cannot be told."
        )
    return Index(index.images, places) if groups else index


def _held_out(
    index: Index, test: Source | None, progress: Progress
) -> tuple[rates.Ratios, str, tuple[str, ...]]:
    """Return the ratios of held-out reals, what they are in words, and notes."""
    if test is None or len(test.images) < rates.LEAST:
        own = _some(len(index.places))
        images = index.images[index.places[own]]
        found = index.nearest(images, progress, "calibrating", own)
        return (
            rates.ratios(found),
            f"{len(own):,} training images, each held against the others",
            (),
        )
    found = index.nearest(test.images[_some(len(test.images))], progress, "calibrating")
    fresh = found.distances[:, 0] > SAME
    lost = int((~fresh).sum())
    if fresh.sum() < rates.LEAST:
        raise InputError(
            f"{lost} of {len(fresh)} test images of {test.name} are in the training set too, so "
            f"nothing is held out. Give --data without test images: then each training image is "
            f"held against the others."
        )
    note = f"{lost:,} test images are in the training set too, and were left out."
    return rates.ratios(found)[fresh], f"{int(fresh.sum()):,} test images", (note,) if lost else ()


def _some(count: int) -> NDArray[np.int64]:
    """Choose up to 2,000 of `count` places, the same each time."""
    return np.sort(randomness.permutation(0, "authenticity", 0, count)[:HELD_OUT])


def _suspects(found: Nearest, copying: Copying, first: int) -> tuple[Suspect, ...]:
    ratios = rates.ratios(found)
    order = np.argsort(ratios, kind="stable")[: int((ratios < copying.threshold).sum())]
    return tuple(
        Suspect(
            first + int(i), int(found.places[i, 0]), float(found.distances[i, 0]), float(ratios[i])
        )
        for i in order
    )


def _write(found: Authenticity, shown: Neighbours) -> None:
    folder = found.folder
    with files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    neighbour_sheet.save(shown, folder / SHEET)
    text = json.dumps(found.to_json(), indent=1, ensure_ascii=False)
    files.write_text(folder / RESULT, text + "\n")


def stored(folder: Path) -> Authenticity | None:
    """Return what a run's folder keeps of its last examination, if there was one."""
    path = folder / FOLDER / RESULT
    if not path.exists():
        return None
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        kept["copying"] = Copying(**kept["copying"])
        kept["suspects"] = tuple(Suspect(**one) for one in kept["suspects"])
        kept["duplicates"] = tuple(tuple(group) for group in kept["duplicates"])
        notes = tuple(kept["notes"])
        return Authenticity(**{**kept, "notes": notes, "folder": path.parent})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} holds no result that can be read ({type(error).__name__}). Delete it; "
            f"ganbaru authenticity writes it anew."
        ) from error
