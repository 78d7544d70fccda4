"""An evaluator of the offline digits, and ways to degrade images step by step."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

from ganbaru import data, randomness
from ganbaru.metrics import evaluator, kernel, scorer
from ganbaru.metrics.definitions import Values, compute_scores
from ganbaru.metrics.evaluator import Evaluator
from ganbaru.metrics.feature_sets import comparisons

Images = np.ndarray


@functools.cache
def digits(split: str = "train") -> data.Source:
    return data.load("digits", split=split)


@functools.cache
def digits_evaluator(make: Callable = scorer.automatic) -> Evaluator:
    """An evaluator with 300 reference digits that scorers have not seen, and 300 test images."""
    return evaluator.make_evaluator(digits(), digits("test"), make)


@functools.cache
def unseen() -> tuple[Images, np.ndarray]:
    """Return the 749 real digits, with labels, that neither scorer nor reference has."""
    source, test = digits(), digits("test")
    _, rest = scorer.halves(source)
    left = np.setdiff1d(rest, digits_evaluator(scorer.random_scorer).split.reference)
    images = np.concatenate([source.images[left], test.images])
    return images, np.concatenate([source.labels[left], test.labels])


def values(images: Images, labels: np.ndarray | None = None, by: Evaluator | None = None) -> Values:
    """Score images without intervals and baselines."""
    by = by or digits_evaluator()
    fake = evaluator.feature_set(by.scorer, by.scorer.resize(images), labels, data.silent)
    subsets = [*kernel.subsets(len(by.reference), len(fake), 0)][:20]
    return compute_scores(comparisons(by.reference, fake, by.classes, subsets))[0]


# --- ways to degrade images, by how much ------------------------------------------------------


def blurred(images: Images, sigma: float) -> Images:
    if not sigma:
        return images
    soft = [gaussian_filter(image.astype(float), (sigma, sigma, 0)) for image in images]
    return np.rint(soft).astype(np.uint8)


def noisy(images: Images, deviation: float) -> Images:
    drawn = randomness.normal(1, "noise", 0, images.size).reshape(images.shape)
    return np.clip(np.rint(images + deviation * drawn), 0, 255).astype(np.uint8)


def of_classes(images: Images, labels: np.ndarray, classes: int, count: int) -> np.ndarray:
    """Return the indices of `count` images of the first classes, equally many of each."""
    each = [np.flatnonzero(labels == k)[: count // classes] for k in range(classes)]
    return np.concatenate(each)


def repeated(images: Images, times: int) -> Images:
    """Return every `times`-th image, repeated `times` times."""
    return images[::times].repeat(times, axis=0)[: len(images)]


def monotonic(found: list[float], sign: int, least: float = 0.0) -> bool:
    """Return whether numbers rise (or fall, by sign), each step by more than `least`."""
    return bool((sign * np.diff(found) > least).all())
