"""A judge of the offline digits, and ways to spoil images step by step."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

from ganbaru import data, randomness
from ganbaru.metrics import evaluator, kernel, scorer
from ganbaru.metrics.definitions import Values, measured
from ganbaru.metrics.evaluator import Evaluator

Images = np.ndarray


@functools.cache
def digits(split: str = "train") -> data.Source:
    return data.load("digits", split=split)


@functools.cache
def judge(make: Callable = scorer.automatic) -> Evaluator:
    """A judge of the digits: 300 references that scorers have not seen, 300 test images."""
    return evaluator.judge(digits(), digits("test"), make)


@functools.cache
def fresh() -> tuple[Images, np.ndarray]:
    """Real digits and their labels that are neither the scorer's nor the reference: 749 of them."""
    source, test = digits(), digits("test")
    _, unseen = scorer.halves(source)
    left = np.setdiff1d(unseen, judge(scorer.random).reals.reference)
    images = np.concatenate([source.images[left], test.images])
    return images, np.concatenate([source.labels[left], test.labels])


def values(images: Images, labels: np.ndarray | None = None, by: Evaluator | None = None) -> Values:
    """Score images without intervals and floors."""
    by = by or judge()
    seen = evaluator.view(by.scorer, by.scorer.resize(images), labels, data.silent)
    found, _ = measured(by.view, seen, by.truth, lambda n, m: list(kernel.drawn(n, m, 0))[:20])
    return found


# --- ways to spoil images, by how much --------------------------------------------------------


def blurred(images: Images, sigma: float) -> Images:
    if not sigma:
        return images
    soft = [gaussian_filter(image.astype(float), (sigma, sigma, 0)) for image in images]
    return np.rint(soft).astype(np.uint8)


def noisy(images: Images, deviation: float) -> Images:
    drawn = randomness.normal(1, "noise", 0, images.size).reshape(images.shape)
    return np.clip(np.rint(images + deviation * drawn), 0, 255).astype(np.uint8)


def of_classes(images: Images, labels: np.ndarray, kept: int, count: int) -> np.ndarray:
    """Return the places of `count` images of the first `kept` classes, as many of each."""
    each = [np.flatnonzero(labels == k)[: count // kept] for k in range(kept)]
    return np.concatenate(each)


def repeated(images: Images, times: int) -> Images:
    """Take every `times`-th image that often."""
    return images[::times].repeat(times, axis=0)[: len(images)]


def steadily(found: list[float], sign: int, least: float = 0.0) -> bool:
    """Say whether numbers go one way, each step by more than `least`."""
    return bool((sign * np.diff(found) > least).all())
