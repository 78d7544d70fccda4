"""Utility: do generated images help a classifier of the real ones?

A classifier is trained on real images with plain augmentation, and again on the same with fakes
added, with as many updates, from several seeds; both are tested on the same unseen real images.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import data, randomness
from ganbaru.coerce import AUTO
from ganbaru.data import Progress, Source
from ganbaru.errors import InputError, keywords, pick
from ganbaru.formatting import Brief
from ganbaru.gan import auto_augmentation
from ganbaru.gan.batches import FAKE_LABELS
from ganbaru.metrics import candidates, classifier, evaluation, scorer
from ganbaru.metrics.candidates import Candidate
from ganbaru.metrics.classifier import MAX_EPOCHS, Images, Labels, Recipe

WIDTH, SHOWN = 16, 90_000  # of the classifier; images shown at most, 1.5 passes over MNIST
MOST_FAKES = 10_000  # by default
LEAST = 20  # images for training, and for testing
HELD_OUT = 0.2  # of the training images, where there are no test images
FLIPS = (AUTO, "yes", "no")

# Labels (M,) that a classifier trained on known images, with these labels, gives M others.
Classify = Callable[[Images, Labels, Images, int], Labels]
Sample = tuple[NDArray[Any], Labels]  # images and their labels


@dataclass(frozen=True)
class Effect:
    """The change of accuracy with fakes, with an interval of 95 %."""

    change: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """One of "helps", "hurts" and "no clear difference"."""
        if self.low > 0:
            return "helps"
        return "hurts" if self.high < 0 else "no clear difference"


@dataclass(frozen=True, repr=False)
class Utility(Brief):
    """The result of `utility`; accuracies are means over seeds, on unseen real images."""

    SHOWN = ("subject", "data", "verdict", "without", "with_fakes", "effect")

    subject: str
    data: str
    verdict: str
    without: float
    with_fakes: float
    effect: Effect
    seeds: list[tuple[float, float]]  # accuracies without and with fakes, of each seed
    reals: int
    fakes: int
    tested: int
    flips: bool
    notes: tuple[str, ...]
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain dictionaries and numbers."""
        return dataclasses.asdict(self)


def effect(without: NDArray[np.bool_], with_fakes: NDArray[np.bool_]) -> Effect:
    """Return the change of accuracy, from what each seed got right of each image (S, N), paired.

    The variance is that of the seeds' mean changes over S plus that of the images' over N, since
    other seeds and other test images would both give other numbers (slightly too large: the noise
    of single answers is in both). Student's t, with the degrees of freedom of such a sum (Welch
    1947, Satterthwaite 1946).
    """
    from scipy.special import stdtrit

    changes = with_fakes.astype(np.float64) - without
    parts = [changes.mean(axis=1 - axis).var(ddof=1) / changes.shape[axis] for axis in (0, 1)]
    change, variance = float(changes.mean()), sum(parts)
    if not variance:
        return Effect(change, change, change)
    freedom = variance**2 / sum(p**2 / (n - 1) for p, n in zip(parts, changes.shape, strict=True))
    margin = float(stdtrit(freedom, 0.975) * np.sqrt(variance))
    return Effect(change, change - margin, change + margin)


def answers(
    reals: Sample, fakes: Sample, test: Sample, seeds: int, classify: Classify
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return what is right of the test images without and with fakes, each (seeds, N)."""
    both = [np.concatenate(pair) for pair in zip(reals, fakes, strict=True)]
    found = [
        [classify(known, labels, test[0], seed) == test[1] for seed in range(seeds)]
        for known, labels in (reals, both)
    ]
    return np.array(found[0]), np.array(found[1])


@keywords(data="against", range="value_range")
def utility(
    what: str | Path,
    against: str | Path | None = None,
    *,
    number: int | None = None,
    seeds: int = 5,
    flips: str = AUTO,
    fake_labels: str = "shares",
    seed: int = 0,
    checkpoint: str = "auto",
    engine: str = "numpy",
    device: str = "auto",
    image_size: tuple[int, int] | None = None,
    data_dir: Path | None = None,
    progress: Progress | bool = True,
    trust: Collection[str] = (),
    fit: str | None = None,
    value_range: str | None = None,
) -> Utility:
    """Test whether labelled fakes, a run's or existing ones, help a classifier of real images.

    `number` is how many fakes are added (None: as many as reals, up to 10,000), `seeds` how many
    pairs of classifiers are trained. `flips` mirrors real and added images: "auto" if mirrored ones
    are as near to the set (as `--augment auto`), "yes" or "no". `seed` is the first image's. The
    other arguments are as in `evaluate`. Raises InputError without labels on both sides.
    """
    began = time.perf_counter()
    pick("--flips", flips, dict.fromkeys(FLIPS))
    pick("--fake-labels", fake_labels, FAKE_LABELS)
    if seeds < 2:
        raise InputError(f"--seeds {seeds} gives no interval: give 2 or more.")
    with data.shown(progress) as shown:
        reading = {"fit": fit, "value_range": value_range}
        candidate = candidates.find(
            what, checkpoint, engine, device, image_size, shown, trust, against, data_dir, reading
        )
        source, test = evaluation.reals(candidate, against, data_dir, shown)
        reals, tested, notes = _parts(source, test)
        count = number or int(min(candidate.most, len(reals[0]), MOST_FAKES))
        fakes = _fakes(candidate, source, count, seed, fake_labels, shown)
        mirrored = flips == "yes" or (flips == AUTO and _may_flip(source))
        classify = _classifier(source, mirrored, len(reals[0]), seeds, shown)
        without, with_fakes = answers(reals, fakes, tested, seeds, classify)
    found = effect(without, with_fakes)
    rates = list(zip(without.mean(axis=1).tolist(), with_fakes.mean(axis=1).tolist(), strict=True))
    return Utility(
        subject=candidate.name,
        data=source.name,
        verdict=found.verdict,
        without=float(without.mean()),
        with_fakes=float(with_fakes.mean()),
        effect=found,
        seeds=rates,
        reals=len(reals[0]),
        fakes=count,
        tested=len(tested[0]),
        flips=mirrored,
        notes=notes + candidate.notes,
        seconds=round(time.perf_counter() - began, 1),
    )


def _may_flip(source: Source) -> bool:
    few = len(source.images) < auto_augmentation.LEAST_TO_TELL
    return not few and auto_augmentation.mirror_ratio(source.images) < auto_augmentation.MIRRORED


def _parts(source: Source, test: Source | None) -> tuple[Sample, Sample, tuple[str, ...]]:
    """Return real images to train on and to test with, and notes."""
    if source.labels is None or len(source.classes) < 2:
        raise InputError(
            f"{source.name} has no labels (or a single class), so no classifier can be trained on "
            f"it: give labels, for example a folder for each class."
        )
    whole = source.images, source.labels
    notes: tuple[str, ...] = ()
    if test is not None and test.labels is not None:
        parts = whole, (test.images, test.labels)
    else:
        order = randomness.permutation(scorer.SEED, "utility", 0, len(source.images))
        cut = int(len(order) * HELD_OUT)
        kept, held = (np.sort(order[part]) for part in (slice(cut, None), slice(cut)))
        parts = (whole[0][kept], whole[1][kept]), (whole[0][held], whole[1][held])
        notes = (
            f"There are no labelled test images: {cut:,} training images are held out for them. A "
            f"generator that was trained on those looks better than it is.",
        )
    for part, what in zip(parts, ("train", "test"), strict=True):
        if len(part[0]) < LEAST:
            raise InputError(
                f"{source.name} has {len(part[0])} images to {what} a classifier with, and {LEAST} "
                f"are the least. Give more real images with --data."
            )
    return *parts, notes


def _fakes(
    candidate: Candidate, source: Source, count: int, seed: int, rule: str, progress: Progress
) -> Sample:
    if not 1 <= count <= candidate.most:
        raise InputError(
            f"-n {count} is out of range: {candidate.name} has images for 1 to {candidate.most}."
        )
    if len(candidate.classes) < 2:
        raise InputError(
            f"The images of {candidate.name} have no labels, which a classifier learns from: train "
            f"with --conditioning, or give a folder for each class."
        )
    shares = evaluation.class_shares(candidate, source, rule)
    images, labels = candidate.images(count, seed, progress, shares)
    labels = evaluation.renumbered_like(candidate, labels, source)
    assert labels is not None  # since both have classes
    return images, labels


def _classifier(
    source: Source, mirrored: bool, reals: int, seeds: int, progress: Progress
) -> Classify:
    """Return the training of one classifier, of as many updates with fakes as without."""
    height, width, channels = source.images.shape[1:]
    shape = (*scorer.input_size(height, width), channels)
    shown, done = min(SHOWN, MAX_EPOCHS * reals), iter(range(2 * seeds))

    def classify(known: Images, labels: Labels, queries: Images, seed: int) -> Labels:
        number = next(done)

        def report(step: int, steps: int, _: str) -> None:
            progress(number * steps + step, 2 * seeds * steps, "training classifiers")

        images = scorer.resized(known, shape)
        if mirrored:
            images, labels = np.concatenate([images, images[:, :, ::-1]]), np.tile(labels, 2)
        recipe = Recipe(WIDTH, shown, seed)
        network = classifier.train(images, labels, len(source.classes), recipe, report)
        return network.labels(scorer.resized(queries, shape), data.silent)

    return classify
