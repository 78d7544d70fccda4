"""Evaluation from end to end: find images and data, make the evaluator, score, store."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import data, registry
from ganbaru.coerce import MODES
from ganbaru.data import Progress, Source
from ganbaru.data.attributes import matched
from ganbaru.errors import InputError, keywords, pick
from ganbaru.gan.batches import FAKE_LABELS
from ganbaru.metrics import (
    attribute_scores,
    candidates,
    efficientnet,
    inception,
    onnx_network,
    passport,
    scorer,
)
from ganbaru.metrics.candidates import Candidate, Labels
from ganbaru.metrics.evaluator import MAX_IMAGES, MIN_IMAGES, Evaluator, make_evaluator
from ganbaru.metrics.passport import Evaluation, Passport
from ganbaru.registry import Trust


@keywords(data="against", range="value_range")
def evaluate(
    what: str | Path | NDArray[Any],
    against: str | Path | None = None,
    *,
    number: int | None = None,
    seed: int = 0,
    scorer: str = "auto",
    weights: str | Path | None = None,
    checkpoint: str = "auto",
    engine: str = "numpy",
    device: str = "auto",
    image_size: tuple[int, int] | None = None,
    data_dir: Path | None = None,
    fake_labels: str = "shares",
    progress: Progress | bool = True,
    trust: Collection[str] = (),
    fit: str | None = None,
    value_range: str | None = None,
) -> Evaluation:
    """Score a run, a folder or file of images, or an array (N, H, W, C) of bytes.

    `against` is the real data (None: the run's training data), `number` how many images are scored
    (None: as many as there are reference images, up to 10,000), `seed` that of the first image and
    of subsets. `scorer` is auto, classifier, random, efficientnet, inception, which needs the path
    of its `weights`, or the path of a feature network (.onnx). `engine` and `device` compute the
    run's images and efficientnet's features. `image_size` (height, width) is what images in files
    of different sizes are cropped and resized to, by default the data's. `fit` and `value_range`
    are as in `data.load`, for the real images (None: the run's). `fake_labels` are the labels that
    a conditional generator is given: "shares" of the real images' classes, or "uniform", equally
    many of each. `progress` shows bars in a terminal or a notebook, or is a function as in
    `data.load`. A run's scores are also stored in its folder, in ``scores.json``. `trust` is as in
    `ganbaru.load`, for the run's network and data. Raises InputError when images and data do not
    match.
    """
    began = time.perf_counter()
    pick("--fake-labels", fake_labels, FAKE_LABELS)
    reading = {"fit": fit, "value_range": value_range}
    how: dict[str, Any] = {"scorer": scorer, "weights": weights, "engine": engine, "device": device}
    with data.shown(progress) as shown:
        candidate = candidates.find(
            what, checkpoint, engine, device, image_size, shown, trust, against, data_dir, reading
        )
        _check_number(candidate, number)
        evaluator = evaluator_for(
            candidate, against, number, seed, data_dir=data_dir, progress=shown, **how
        )
        found = _score(candidate, evaluator, number, seed, fake_labels, shown)
    found = dataclasses.replace(found, seconds=round(time.perf_counter() - began, 1))
    if candidate.folder:
        passport.store(candidate.folder, found)
    return found


def _score(
    candidate: Candidate,
    evaluator: Evaluator,
    number: int | None,
    seed: int,
    fake_labels: str,
    progress: Progress,
) -> Evaluation:
    """Make or choose the images of a candidate, with labels by a rule, and score them."""
    source = evaluator.split.source
    count = number or int(min(candidate.most, len(evaluator.reference)))
    shares = class_shares(candidate, source, fake_labels)
    images, labels = candidate.images(count, seed, progress, shares)
    rows, labels = labels, renumbered_like(candidate, labels, source)
    made = "" if labels is None or candidate.config is None else fake_labels
    origin = {**candidate.origin, "seed": seed}
    found = evaluator.score(candidate.name, origin, images, labels, made)
    if candidate.attributes and rows is not None:
        obeyed = attribute_scores.score(source, candidate.attributes, images, rows, progress)
        found = dataclasses.replace(found, attributes=obeyed)
    notes = found.notes + candidate.notes
    if candidate.config and candidate.config.balance and labels is None:
        notes += (EVEN,)
    return dataclasses.replace(found, notes=notes)


EVEN = (
    "The run was trained with --balance and without labels for G: its classes are about equally "
    "many, unlike those of the real images, which scores count as a difference."
)


def class_shares(candidate: Candidate, source: Source, rule: str = "shares") -> NDArray[Any] | None:
    """Return the shares of a candidate's classes by a rule of labels, given those of real images.

    None, equal shares, where real images have other classes. With attributes, their rows (n, A).
    """
    if candidate.attributes:
        found = matched(source.attributes, candidate.attributes)
        return None if found is None else found.rows
    if source.labels is None or set(candidate.classes) - set(source.classes):
        return None
    count = len(source.classes)
    counts = np.bincount(FAKE_LABELS[rule](source.labels, count), minlength=count)
    own = np.array([counts[source.classes.index(name)] for name in candidate.classes], np.float64)
    return own / own.sum() if own.sum() else None


def _check_number(candidate: Candidate, number: int | None) -> None:
    if candidate.most < MIN_IMAGES:
        raise InputError(
            f"{candidate.name} has {candidate.most} images, and scores need {MIN_IMAGES} or more."
        )
    if number is not None and not MIN_IMAGES <= number <= candidate.most:
        end = "on" if candidate.most == float("inf") else f"to {candidate.most}"
        raise InputError(
            f"Cannot score {number} images of {candidate.name}: give a -n from {MIN_IMAGES} {end}."
        )


def evaluator_for(
    candidate: Candidate,
    against: str | Path | None = None,
    number: int | None = None,
    seed: int = 0,
    scorer: str = "auto",
    weights: str | Path | None = None,
    data_dir: Path | None = None,
    progress: Progress = data.silent,
    engine: str = "numpy",
    device: str = "auto",
) -> Evaluator:
    """Make the evaluator of a candidate's images; it can score others of the same shape."""
    what = against or (candidate.config.data if candidate.config else "")
    if not what:
        raise InputError(
            f"Give the real images that {candidate.name} is to be compared with: --data X."
        )
    dataset = data.declared(str(what), _trust(candidate, against))
    make = maker(scorer, dataset, weights, engine, device)
    source, test = reals(candidate, against, data_dir, progress)
    limit = int(min(candidate.most, (dataset and dataset.scored_count) or MAX_IMAGES))
    return make_evaluator(source, test, make, number, limit, seed, progress)


def _trust(candidate: Candidate, against: str | Path | None) -> Trust | None:
    """Return what the name of the real images may import; only a run's comes from a file."""
    return None if against or not candidate.config else candidate.config.trust


def maker(
    name: str, dataset: data.Dataset | None, weights: str | Path | None, engine: str, device: str
) -> scorer.Maker:
    """Return what makes a scorer, given its name or the path of an ONNX file."""
    if Path(name).suffix.lower() == onnx_network.SUFFIX:
        return functools.partial(onnx_network.onnx_scorer, name)
    makers: dict[str, scorer.Maker] = {
        "auto": functools.partial(efficientnet.automatic, engine, device),
        "classifier": scorer.classifier_scorer,
        "random": scorer.random_scorer,
        "efficientnet": functools.partial(efficientnet.efficientnet, engine, device),
        "inception": functools.partial(inception.inception, weights),
    }
    if dataset and dataset.scored_as:
        by_channel = functools.partial(scorer.channel_by_channel, dataset.scored_as)
        makers |= {"auto": by_channel, "classifier": by_channel}
    also = f"a path ending in {onnx_network.SUFFIX}"
    found: scorer.Maker = registry.member("scorers", "scorer", name, makers, also)
    return found


def scorer_of(found: Passport | None) -> str:
    """Return the name of a passport's scorer for `evaluator_for`, "auto" if there is none.

    A passport never names a file that is loaded.
    """
    kind = found.scorer.partition(" ")[0] if found else ""
    return kind if kind in ("classifier", "random", "efficientnet") else "auto"


def reals(
    candidate: Candidate, against: str | Path | None, data_dir: Path | None, progress: Progress
) -> tuple[Source, Source | None]:
    """Load training and test images in the candidate's size, by the rule that training uses.

    They are those of `against`, or of the candidate's configuration.
    """
    what = against or (candidate.config.data if candidate.config else "")
    how: dict[str, Any] = {"image_size": candidate.shape[:2], "progress": progress}
    how |= {"data_dir": data_dir, "trust": _trust(candidate, against), **candidate.reading}
    if config := candidate.config:
        if str(what) == config.data:
            how = {"fit": config.fit, "value_range": config.range, **how}
            how |= {n: getattr(config, n) for n in ("label_file", "key", "background")}
        how["channels"] = config.channels
        how["data_dir"] = data_dir or (Path(config.data_dir) if config.data_dir else None)
    split = config.split if config and not against else "auto"
    source = data.load(what, split=split, **how)
    if candidate.trained_on and not against:
        source = data.in_order(source, candidate.trained_on["classes"])
    channels, wanted = candidate.shape[2], source.images.shape[3]
    if channels != wanted:
        raise InputError(
            f"The images of {candidate.name} are {MODES[channels].name} and those of {what} "
            f"{MODES[wanted].name}: compare with data of the same kind."
        )
    if split == "none":
        return source, None
    try:
        how["value_range"] = source.black_white or None
        test = data.load(what, split="test", **how)
    except data.SplitError:
        return source, None
    same = test.fingerprint == source.fingerprint
    return source, None if same else _renumbered(source, test)


def _renumbered(source: Source, test: Source) -> Source | None:
    """Renumber the test images' labels by the training classes; None if they do not match."""
    if source.labels is None or test.classes == source.classes:
        return test
    if test.labels is None or set(test.classes) - set(source.classes):
        return None
    numbers = np.array([source.classes.index(name) for name in test.classes], np.int64)
    labels = numbers[test.labels]
    return dataclasses.replace(test, labels=labels, classes=source.classes)


def renumbered_like(candidate: Candidate, labels: Labels | None, source: Source) -> Labels | None:
    """Return a candidate's labels by the numbers of the real images' classes."""
    if labels is None or source.labels is None:
        return None
    names, count = candidate.classes, len(source.classes)
    numbers = [int(name) for name in names if name.isascii() and name.isdecimal()]
    named = all(name.isdecimal() for name in source.classes) or len(numbers) < len(names)
    if not named and max(numbers) < count:  # bare numbers, as in an .npz without names
        return np.array(numbers, np.int64)[labels]
    if unknown := [name for name in names if name not in source.classes]:
        known = ", ".join(source.classes[:12]) + (", ..." if count > 12 else "")
        raise InputError(
            f"The images of {candidate.name} are labelled for another set: {unknown[0]!r} is no "
            f"class of {source.name}, whose classes are {known}. Compare with their own data, or "
            f"leave the labels out."
        )
    return np.array([source.classes.index(name) for name in names], np.int64)[labels]
