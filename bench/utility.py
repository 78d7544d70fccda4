"""How often `ganbaru utility` is right: planted fakes that help, hurt or change nothing.

    python -m bench.utility [--trials 100]

Images are simulated features, four normal classes in 8 dimensions, and the classifier is softmax
regression trained by SGD, so that a trial takes a moment; seeds, pairs and interval are the
command's own. A trial draws new reals, fakes, test images and seeds.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from ganbaru.metrics.utility import Sample, answers, effect

CLASSES, SIZE, SEEDS, TESTED = 4, 8, 5, 1_000
STEPS, BATCH, RATE = 120, 32, 0.2
APART = 1.1  # of the classes' means, in standard deviations

Rows = NDArray[np.float64]


def drawn(rng: np.random.Generator, centres: Rows, each: int, noise: float = 1.0) -> Sample:
    """Return `each` rows of each class."""
    labels = np.repeat(np.arange(CLASSES), each)
    return centres[labels] + noise * rng.standard_normal((len(labels), SIZE)), labels


def wrong(rng: np.random.Generator, sample: Sample, share: float) -> Sample:
    """Return the rows with another label for a share of them."""
    rows, labels = sample
    moved = rng.random(len(labels)) < share
    return rows, np.where(moved, (labels + rng.integers(1, CLASSES, len(labels))) % CLASSES, labels)


def case(kind: str, rng: np.random.Generator, centres: Rows) -> tuple[Sample, Sample]:
    """Return the reals and fakes of a planted case."""
    few, many = drawn(rng, centres, 8), drawn(rng, centres, 150)
    if kind == "helps":  # a perfect generator beside few reals
        return few, drawn(rng, centres, 150)
    if kind == "hurts":  # labels that are mostly wrong
        return many, wrong(rng, drawn(rng, centres, 150), 0.85)
    return many, (many[0].copy(), many[1].copy())  # exact copies: nothing new


def softmax_regression(known: Rows, labels: NDArray[np.int64], asked: Rows, seed: int) -> Rows:
    """Return the labels of the rows `asked`, by a classifier trained with a seed."""
    rng = np.random.default_rng(seed)
    weights = 0.1 * rng.standard_normal((SIZE + 1, CLASSES))
    rows = np.column_stack([known, np.ones(len(known))])
    for step in range(STEPS):
        chosen = rng.integers(0, len(rows), BATCH)
        scores = rows[chosen] @ weights
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        shares[np.arange(BATCH), labels[chosen]] -= 1
        weights -= RATE * (1 - step / STEPS) * rows[chosen].T @ shares / BATCH
    return (np.column_stack([asked, np.ones(len(asked))]) @ weights).argmax(axis=1)


def trial(kind: str, number: int) -> tuple[str, float]:
    """Return the verdict of a trial, and the change of accuracy."""
    rng = np.random.default_rng([number, len(kind)])
    centres = APART * rng.standard_normal((CLASSES, SIZE))
    reals, fakes = case(kind, rng, centres)

    def classify(known: Rows, labels: Rows, asked: Rows, seed: int) -> Rows:
        return softmax_regression(known, labels, asked, 1_000 * number + seed + len(known) * 10**6)

    found = effect(*answers(reals, fakes, drawn(rng, centres, TESTED // 4), SEEDS, classify))
    return found.verdict, found.change


def right(kind: str, trials: int) -> tuple[float, float]:
    """Return the share of trials with the planted verdict, and the mean change."""
    verdicts, changes = zip(*(trial(kind, i) for i in range(trials)), strict=True)
    wanted = kind if kind in ("helps", "hurts") else "no clear difference"
    return verdicts.count(wanted) / trials, float(np.mean(changes))


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    trials = parser.parse_args().trials
    for kind in ("helps", "hurts", "nothing"):
        share, change = right(kind, trials)
        print(f"{kind:8} right in {share:.1%} of {trials}, mean change {100 * change:+.2f} points")


if __name__ == "__main__":
    main()
