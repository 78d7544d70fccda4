"""Evaluation from end to end: find the images and the data, make the judge, score, store."""

from __future__ import annotations

import dataclasses
import functools
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import data
from ganbaru.data import Progress, Source
from ganbaru.errors import InputError, pick
from ganbaru.metrics import candidates, inception, passport, scorer
from ganbaru.metrics.candidates import Candidate
from ganbaru.metrics.evaluator import COUNT, LEAST, Evaluator, judge
from ganbaru.metrics.passport import Evaluation

Labels = NDArray[np.int64]


def evaluate(
    what: str | Path | NDArray[Any],
    against: str | Path | None = None,
    *,
    number: int | None = None,
    seed: int = 0,
    scorer: str = "auto",
    weights: str | Path | None = None,
    checkpoint: str = "newest",
    engine: str = "numpy",
    device: str = "auto",
    image_size: tuple[int, int] | None = None,
    data_dir: Path | None = None,
    progress: Progress = data.silent,
) -> Evaluation:
    """Score a run, a folder or file of images, or an array (N, H, W, C) of bytes.

    `against` is the real data (None: what the run was trained on), `number` how many images are
    scored (None: up to 10,000, as many as there are real ones to compare with), `seed` the first
    image's and that of subsets. `scorer` is auto, classifier, random or inception, which needs the
    path of its `weights`. `image_size` (height, width) is what images in files of different sizes
    are cropped and resized to. A run's scores are also kept in its folder, in ``scores.json``.
    Raises InputError when images and data do not go together.
    """
    begun = time.perf_counter()
    entrant = candidates.find(what, checkpoint, engine, device, image_size, progress)
    _check_number(entrant, number)
    ready = evaluator_for(
        entrant, against, number=number, seed=seed, scorer=scorer, weights=weights,
        data_dir=data_dir, progress=progress,
    )  # fmt: skip
    count = number or int(min(entrant.most, len(ready.view)))
    images, labels = entrant.images(count, seed, progress)
    numbers = _numbers(entrant, labels, ready.reals.source)
    found = ready.score(entrant.name, entrant.origin(count, seed), images, numbers)
    found = dataclasses.replace(found, seconds=round(time.perf_counter() - begun, 1))
    if entrant.folder:
        passport.store(entrant.folder, found)
    return found


def _check_number(entrant: Candidate, number: int | None) -> None:
    if entrant.most < LEAST:
        raise InputError(
            f"{entrant.name} has {entrant.most} images, and scores need {LEAST} or more."
        )
    if number is not None and not LEAST <= number <= entrant.most:
        there = "on" if entrant.most == float("inf") else f"to {entrant.most}"
        raise InputError(
            f"Cannot score {number} images of {entrant.name}: give a -n from {LEAST} {there}."
        )


def evaluator_for(
    entrant: Candidate,
    against: str | Path | None = None,
    *,
    number: int | None = None,
    seed: int = 0,
    scorer: str = "auto",
    weights: str | Path | None = None,
    data_dir: Path | None = None,
    progress: Progress = data.silent,
) -> Evaluator:
    """Make the judge that an entrant's images are scored by; it may score others like it too."""
    what = against or entrant.data
    if what is None:
        raise InputError(
            f"Say what the real images are that {entrant.name} is to be compared with: --data X."
        )
    dataset = data.declared(str(what))
    make = pick("scorer", scorer, _makers(dataset, weights))
    source, test = reals(entrant, what, data_dir, progress)
    limit = int(min(entrant.most, (dataset and dataset.scored_count) or COUNT))
    return judge(source, test, make, number=number, limit=limit, seed=seed, progress=progress)


def _makers(dataset: data.Dataset | None, weights: str | Path | None) -> dict[str, scorer.Maker]:
    """Return the ways to a scorer, by name."""
    makers: dict[str, scorer.Maker] = {
        "auto": scorer.automatic,
        "classifier": scorer.trained,
        "random": scorer.random,
        "inception": functools.partial(inception.inception, weights),
    }
    if dataset and dataset.scored_as:
        apart = functools.partial(scorer.channel_by_channel, dataset.scored_as)
        makers |= {"auto": apart, "classifier": apart}
    return makers


def reals(
    entrant: Candidate, what: str | Path, data_dir: Path | None, progress: Progress
) -> tuple[Source, Source | None]:
    """Load training and test images as the entrant's are: by the rule that training uses."""
    place = data_dir or (Path(entrant.data_dir) if entrant.data_dir else None)
    how: dict[str, Any] = {
        "image_size": entrant.shape[:2], "channels": entrant.channels, "data_dir": place,
        "progress": progress,
    }  # fmt: skip
    source = data.load(what, **how)
    channels, wanted = entrant.shape[2], source.images.shape[3]
    if channels != wanted:
        names = {1: "grey (1 channel)", 3: "colour (3 channels)"}
        raise InputError(
            f"The images of {entrant.name} are {names[channels]} and those of {what} "
            f"{names[wanted]}: compare with data of the same kind."
        )
    try:
        test = data.load(what, split="test", **how)
    except data.SplitError:
        return source, None
    same = test.fingerprint == source.fingerprint
    return source, None if same else _renumbered(source, test)


def _renumbered(source: Source, test: Source) -> Source | None:
    """Number the test images' labels as the training images' are; None if they do not fit."""
    if source.labels is None or test.classes == source.classes:
        return test
    if test.labels is None or set(test.classes) - set(source.classes):
        return None
    numbers = np.array([source.classes.index(name) for name in test.classes], np.int64)
    labels = numbers[test.labels]
    return dataclasses.replace(test, labels=labels, classes=source.classes)


def _numbers(entrant: Candidate, labels: Labels | None, source: Source) -> Labels | None:
    """Return the classes asked for by the numbers of the real images' classes."""
    if labels is None or source.labels is None:
        return None
    names, count = entrant.classes, len(source.classes)
    if names == tuple(map(str, range(len(names)))) and len(names) <= count:
        return labels  # bare numbers, as in an .npz without names
    if strange := [name for name in names if name not in source.classes]:
        known = ", ".join(source.classes[:12]) + (", ..." if count > 12 else "")
        raise InputError(
            f"The images of {entrant.name} are labelled for another set: {strange[0]!r} is no "
            f"class of {source.name}, whose classes are {known}. Compare with the data they were "
            f"made from, or leave the labels out."
        )
    return np.array([source.classes.index(name) for name in names], np.int64)[labels]
