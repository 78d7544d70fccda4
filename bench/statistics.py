"""Simulations of the statistics behind scores and claims: python -m bench.statistics [CASE ...]

Each case draws many samples of which the truth is known, and counts how often a statement of
Ganbaru's is wrong. Needs no data but the digits; `--quick` takes a twentieth of the repeats.
"""

from __future__ import annotations

import argparse
import functools
import itertools
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ganbaru import data
from ganbaru.comparison import significance
from ganbaru.metrics import copy_rate, intervals, kernel, monge, nearest
from ganbaru.metrics.definitions import METRICS, compute_scores
from ganbaru.metrics.feature_sets import ClassStatistics, Comparison, FeatureSet, comparisons
from ganbaru.metrics.frechet import frechet, frechet_at_infinity
from ganbaru.metrics.scorer import Features
from ganbaru.metrics.standard_errors import standard_errors

WIDTH = 64
SPECTRUM = 1 / np.arange(1, WIDTH + 1) ** 0.7
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


# All that are computed from features or labels; CAS and the network of C2ST train a network.
SCORED = [name for name, metric in METRICS.items() if metric.compute and metric.has_interval]
CLASSES = ClassStatistics(np.linspace(1, 3, 10) / 20, 60_000)
# Those without subsamples and groups left out, whose 1,000 repeats take minutes.
CLOSED = [name for name in SCORED if METRICS[name].error or METRICS[name].limits]
# Small, so that 12,000 evaluations with intervals take half an hour of one core: 32 features, 200
# directions of MIND in place of 1,000, 10 subsets of the kernel distance in place of 50. The last
# counts have subsamples of a tenth, as 10,000 images have.
COUNTS = ((300, 300, 150), (150, 600, 300), (600, 150, 300), (1000, 1000, 100))


def _sample(rng: np.random.Generator, counts: tuple[int, int], shift: float) -> list[Comparison]:
    """Draw reals and fakes; a `shift` of fakes also moves their class shares."""
    tilted = CLASSES.shares * (1 + 0.3 * shift * np.sin(np.arange(10)))
    sets = []
    for count, by, shares in zip(counts, (0, shift), (CLASSES.shares, tilted), strict=True):
        rows = features(rng, count, by)[:, :32].astype(np.float32)
        labels = rng.choice(10, count, p=shares / shares.sum())
        requested = np.where(rng.random(count) < 0.9, labels, (labels + 1) % 10)
        identities = rng.integers(0, 3000, count)  # some images twice
        sets.append(FeatureSet(Features((rows,), labels), requested, rows[:, ::4], identities))
    subsets = [*kernel.subsets(*counts, 0)][:10]
    return comparisons(sets[0], sets[1], CLASSES, subsets)


def _errors(sample: list[Comparison], names: list[str], seed: int) -> dict[str, float]:
    if set(names) - set(CLOSED):
        return standard_errors(sample, seed, data.silent)
    return {name: of(sample[0]) for name in names if (of := METRICS[name].error)}


def coverage(repeats: int, names: list[str] = SCORED) -> Rows:
    """Count how often a 95 % interval holds the expected score at these counts."""
    monge.DIRECTIONS = 200
    for (*pair, intervals.MAX_SIZE), shift in itertools.product(COUNTS, (0, 0.3, 1)):
        counts = pair[0], pair[1]
        rng, sizes = np.random.default_rng(1), {"real": counts[0], "fake": counts[1]}
        draws = [_sample(rng, counts, shift) for _ in range(max(50, repeats // 2))]
        truth = [compute_scores(one, names)[0] for one in draws]
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        for seed in range(repeats):
            sample = _sample(rng, counts, shift)
            values = compute_scores(sample, names)[0]
            errors = _errors(sample, names, seed)
            sizes["tested"] = sample[0].two_sample_test.tested
            for name in names:
                error = errors.get(name)
                low, high = METRICS[name].interval(sample[0], values[name], error, sizes)
                assert low is not None and high is not None
                found[name].append((low, high))
        for name, pairs in found.items():
            drawn = np.array([one[name] for one in truth])
            expected, ideal = drawn.mean(), 3.92 * drawn.std(ddof=1)
            low, high = np.transpose(pairs)
            held = (low <= expected) & (expected <= high)
            yield (
                f"| {counts[0]} | {counts[1]} | {shift} | {name} | {expected:.4g} | "
                f"{held.mean():.1%} | {(high - low).mean():.3g} | {ideal:.3g} |"
            )


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
    "closed": (
        functools.partial(coverage, names=CLOSED),
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
