"""Scores get worse step by step as images get worse, and scorers agree on what is better."""

from __future__ import annotations

import numpy as np
import pytest
from data_helpers import REAL, needs_real_data
from metric_helpers import (
    blurred,
    digits_evaluator,
    monotonic,
    noisy,
    of_classes,
    repeated,
    unseen,
    values,
)

from ganbaru import data
from ganbaru.metrics import evaluator, scorer

COUNT = 300


@pytest.mark.parametrize(
    ("degrade", "amounts"), [(blurred, (0, 0.5, 0.7, 1.0)), (noisy, (0, 30, 60, 120))]
)
def test_blur_and_noise_worsen_every_fidelity_score(degrade, amounts):
    images, _ = unseen()
    found = [values(degrade(images[:COUNT], amount)) for amount in amounts]
    for name, sign in {"frechet": 1, "kernel": 1, "sliced": 1, "coverage": -1}.items():
        assert monotonic([one[name] for one in found], sign), (name, [one[name] for one in found])


def test_noise_lowers_precision_and_density():
    images, _ = unseen()
    found = [values(noisy(images[:COUNT], amount)) for amount in (0, 60, 120)]
    for name in ("precision", "density"):
        assert monotonic([one[name] for one in found], -1, least=0.05), name


def test_dropped_classes_worsen_every_diversity_score():
    images, labels = unseen()
    found = [values(images[of_classes(images, labels, classes, 180)]) for classes in (10, 7, 5, 3)]
    for name, sign in {"frechet": 1, "class_kl": 1, "coverage": -1, "recall": -1}.items():
        assert monotonic([one[name] for one in found], sign), (name, [one[name] for one in found])
    # The classifier takes a few images for one of the dropped classes.
    assert found[0]["modes"] == 10
    kls = [np.log(10 / classes) for classes in (7, 5, 3)]
    assert [one["class_kl"] for one in found[1:]] == pytest.approx(kls, abs=0.12)


def test_coverage_halves_when_half_the_classes_are_dropped():
    images, labels = unseen()
    whole, half = (values(images[of_classes(images, labels, classes, 300)]) for classes in (10, 5))
    assert half["coverage"] == pytest.approx(whole["coverage"] / 2, abs=0.06)
    assert half["precision"] == pytest.approx(whole["precision"], abs=0.05)


def test_repeated_images_worsen_the_scores():
    images, _ = unseen()
    found = [values(repeated(images[:COUNT], times)) for times in (1, 4, 16, 60)]
    for name, sign in {"frechet": 1, "coverage": -1, "distinct": -1}.items():
        assert monotonic([one[name] for one in found], sign), (name, [one[name] for one in found])
    assert [one["distinct"] for one in found[1:]] == pytest.approx([1 / 4, 19 / 300, 5 / 300])


def test_copies_have_no_novelty():
    ready = digits_evaluator()
    copies = ready.split.source.images[ready.split.reference]
    near = noisy(copies, 3)  # invisible
    assert values(copies)["novelty"] == 0
    assert values(copies)["frechet"] == pytest.approx(0, abs=1e-6)
    assert values(near)["novelty"] < 0.1
    assert values(unseen()[0][:COUNT])["novelty"] > 0.4


def test_wrong_labels_lower_label_accuracy():
    images, labels = (part[:COUNT] for part in unseen())
    right = values(images, labels)["label_accuracy"]
    wrong = labels.copy()
    wrong[::2] = (wrong[::2] + 1) % 10
    assert right > 0.95
    assert values(images, wrong)["label_accuracy"] == pytest.approx(right / 2, abs=0.03)


def degraded(images: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Return sets of images, degraded more and more in four ways."""
    return [
        *(blurred(images[:COUNT], amount) for amount in (0, 0.5, 0.8, 1.2)),
        *(noisy(images[:COUNT], amount) for amount in (30, 70, 120)),
        *(images[of_classes(images, labels, classes, 240)] for classes in (8, 4, 2)),
        *(repeated(images[:COUNT], times) for times in (10, 50)),
    ]


def test_classifier_and_random_features_rank_alike():
    sets = degraded(*unseen())
    trained, random = (
        [values(images, by=by) for images in sets]
        for by in (digits_evaluator(), digits_evaluator(scorer.random_scorer))
    )
    from scipy.stats import spearmanr  # 1.2 s, where it is used alone

    for name, least in (("frechet", 0.75), ("kernel", 0.75), ("coverage", 0.75)):
        ranks = [[one[name] for one in found] for found in (trained, random)]
        correlation = spearmanr(*ranks).statistic
        print(f"rank correlation of {len(sets)} sets by {name}: {correlation:.3f}")
        assert correlation > least, ranks


@pytest.mark.extended  # digits above show the same, for a third of the time
@needs_real_data
def test_random_features_measure_on_mnist_too(monkeypatch):
    monkeypatch.setenv("GANBARU_DATA", REAL)
    train, test = data.load("mnist"), data.load("mnist", split="test")
    by = evaluator.make_evaluator(train, test, scorer.random_scorer, number=300)
    images, labels = test.images[:3000], test.labels[:3000]
    whole = values(images[:300], by=by)
    for degrade, amounts in ((blurred, (1.0, 2.0)), (noisy, (40, 100))):
        found = [whole, *(values(degrade(images[:300], amount), by=by) for amount in amounts)]
        for name in ("frechet", "kernel", "sliced"):
            assert monotonic([one[name] for one in found], 1), name
        assert found[-1]["coverage"] < 0.9 * whole["coverage"]
    # Random features see strokes rather than digits: they miss classes, but far from halve.
    half = values(images[of_classes(images, labels, 5, 300)], by=by)
    assert half["coverage"] < whole["coverage"] - 0.04
    assert half["frechet"] > 1.4 * whole["frechet"]
