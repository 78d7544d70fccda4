"""Simulations of the statistics behind scores and claims: python -m bench.statistics [CASE ...]

Each case draws many samples of which the truth is known, and counts how often a statement of
Ganbaru's is wrong. Needs no data but the digits; `--quick` takes a twentieth of the repeats.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru import data
from ganbaru.comparison import significance
from ganbaru.metrics import copy_rate, intervals, nearest
from ganbaru.metrics.definitions import METRICS, Values, compute_scores
from ganbaru.metrics.feature_sets import ClassStatistics, FeatureSet, comparisons
from ganbaru.metrics.frechet import frechet, frechet_at_infinity
from ganbaru.metrics.scorer import Features

WIDTH = 64
SPECTRUM = 1 / np.arange(1, WIDTH + 1) ** 0.7
SCORED = ("frechet", "mind", "precision", "recall", "density", "coverage", "novelty")
Rows = Iterator[str]


def features(rng: np.random.Generator, count: int, shift: float) -> NDArray[np.float64]:
    """Draw features (N, 64) of a falling spectrum; a `shift` moves and narrows them."""
    drawn = rng.normal(size=(count, WIDTH)) * SPECTRUM**0.5
    return drawn * (1 - 0.3 * shift) + shift * np.eye(WIDTH)[0]


def distance(shift: float) -> float:
    """Return the Fréchet distance of the distributions that `features` draws from."""
    return shift**2 + float((SPECTRUM * (0.3 * shift) ** 2).sum())


# --- comparisons ------------------------------------------------------------------------------

NOISE: dict[str, Callable[..., NDArray[np.float64]]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "lognormal": lambda rng, shape: rng.lognormal(size=shape),
    "unequal spread": lambda rng, shape: (
        rng.normal(size=shape) * np.linspace(0.1, 5, shape[0])[:, None]
    ),
}


def tournaments(repeats: int) -> Rows:
    """Count the tournaments of equal contestants that make any claim at the 5 % level."""
    for contestants, seeds in ((2, 5), (2, 6), (2, 10), (5, 8), (9, 6), (9, 10)):
        for name, noise in NOISE.items():
            rng, claims = np.random.default_rng(0), 0
            for _ in range(repeats):
                scores = noise(rng, (contestants, seeds)) + rng.normal(size=seeds)
                pairs = [a - b for a, b in itertools.combinations(scores, 2)]
                claims += (significance.adjusted_p(np.stack(pairs)) <= significance.LEVEL).any()
            yield f"| {contestants} | {seeds} | {name} | {claims / repeats:.1%} |"


# --- intervals --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """The features of reals and of fakes."""

    real: FeatureSet
    fake: FeatureSet

    @staticmethod
    def drawn(rng: np.random.Generator, counts: tuple[int, int], shift: float) -> Sample:
        real, fake = features(rng, counts[0], 0), features(rng, counts[1], shift)
        return Sample(_set(real), _set(fake))

    def scores(self, reals: object = slice(None), fakes: object = slice(None)) -> Values:
        parts = self.real.subset(reals), self.fake.subset(fakes)  # type: ignore[arg-type]
        compared = comparisons(*parts, ClassStatistics(np.empty(0), len(parts[0])))
        return compute_scores(compared, SCORED)[0]


def _set(rows: NDArray[np.float64]) -> FeatureSet:
    count = len(rows)
    empty = np.zeros((count, 1), np.float32)
    return FeatureSet(Features((rows.astype(np.float32),), None), None, empty, np.arange(count))


def coverage(repeats: int) -> Rows:
    """Count how often a 95 % interval holds the expected score at these counts."""
    for counts, shift in itertools.product(((500, 500), (250, 1000), (1000, 250)), (0, 0.3, 1)):
        rng = np.random.default_rng(1)
        truth = [Sample.drawn(rng, counts, shift).scores() for _ in range(max(50, repeats // 2))]
        expected = {name: float(np.mean([one[name] for one in truth])) for name in SCORED}
        held: dict[str, list[bool]] = {name: [] for name in SCORED}
        width: dict[str, list[float]] = {name: [] for name in SCORED}
        for seed in range(repeats):
            sample = Sample.drawn(rng, counts, shift)
            values = sample.scores()
            errors = intervals.standard_errors(sample.scores, *counts, seed, data.silent)
            for name, (low, high) in _intervals(values, errors, counts).items():
                held[name].append(low <= expected[name] <= high)
                width[name].append(high - low)
        for name in SCORED:
            ideal = 3.92 * float(np.std([one[name] for one in truth], ddof=1))
            yield (
                f"| {counts[0]} | {counts[1]} | {shift} | {name} | {expected[name]:.4g} | "
                f"{np.mean(held[name]):.1%} | {np.mean(width[name]):.3g} | {ideal:.3g} |"
            )


def _intervals(
    values: Values, errors: Values, counts: tuple[int, int]
) -> dict[str, tuple[float, float]]:
    """Return the intervals of scores as `Evaluator` computes them."""
    sizes = {"real": counts[0], "fake": counts[1]}
    found = {}
    for name in SCORED:
        low, high = METRICS[name].interval(values[name], errors[name], sizes)
        assert low is not None and high is not None
        found[name] = low, high
    return found


def infinity(repeats: int) -> Rows:
    """Compare Fréchet distances, plain and at infinity, with that of the distributions."""
    for count, shift in itertools.product((2000, 10_000), (0, 0.05, 0.1, 0.3, 1)):
        found = []
        for seed in range(max(5, repeats // 50)):
            rng = np.random.default_rng(seed)
            pair = features(rng, count, 0), features(rng, count, shift)
            found.append((frechet(*pair), frechet_at_infinity(*pair)))
        (plain, limit), (_, spread) = np.mean(found, axis=0), np.std(found, axis=0)
        exact = distance(shift)
        yield f"| {count:,} | {exact:.4f} | {plain:.4f} | {limit:.4f} | {spread:.4f} |"


# --- memorization -----------------------------------------------------------------------------


def copies(repeats: int) -> Rows:
    """Count the generators without copies, and of few different images, that are accused."""
    images = np.concatenate([_digits(split).images for split in ("train", "test")])
    order = np.random.default_rng(0).permutation(len(images))
    index = nearest.Index(images, np.sort(order[:1000]))
    fresh = images[order[1000:]]
    found = index.nearest(fresh, data.silent, "")
    ratios, distances = copy_rate.distance_ratios(found), found.distances[:, 0]
    for different in (10, 20, 50, 100, 400):
        rng, plain, thinned, repeated = np.random.default_rng(1), 0, 0, max(1, 400 // different)
        for _ in range(repeats):
            drawn = rng.permutation(len(fresh))
            own, held_out = np.tile(drawn[:different], repeated), drawn[different:]
            noise = rng.normal(0, 1, (len(own), *fresh.shape[1:]))
            shown = np.clip(np.rint(fresh[own] + noise), 0, 255).astype(np.uint8)
            kept = nearest.thinned(shown, distances[own], data.silent)
            plain += copy_rate.copy_rate(ratios[own], ratios[held_out]).p < 0.01
            thinned += copy_rate.copy_rate(ratios[own], ratios[held_out], kept).p < 0.01
        yield f"| {different} | {repeated} | {plain / repeats:.1%} | {thinned / repeats:.1%} |"


def _digits(split: str) -> data.Source:
    return data.load("digits", image_size=(16, 16), split=split)


CASES: dict[str, tuple[Callable[[int], Rows], int, str]] = {
    "tournaments": (tournaments, 2000, "contestants | seeds | noise | claims between equals"),
    "coverage": (
        coverage,
        1000,
        "reals | fakes | shift | score | expected | interval holds it | mean width | 3.92 sd",
    ),
    "infinity": (infinity, 1000, "images | exact | plain | at infinity | its deviation"),
    "copies": (copies, 1000, "different | times each | accused, all images | accused, thinned"),
}


def main() -> None:
    """Print the tables of the cases given, of all without any."""
    parser = argparse.ArgumentParser("python -m bench.statistics", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--quick", action="store_true", help="a twentieth of the repeats")
    wanted = parser.parse_args()
    if unknown := set(wanted.cases) - set(CASES):
        parser.error(f"unknown case {min(unknown)!r}: choose from {', '.join(CASES)}")
    for name in wanted.cases or CASES:
        case, repeats, headings = CASES[name]
        repeats = repeats // 20 if wanted.quick else repeats
        print(f"\n{name}, {repeats:,} repeats\n\n| {headings} |")
        print("|" + "---|" * (headings.count("|") + 1))
        for row in case(repeats):
            print(row, flush=True)


if __name__ == "__main__":
    main()
