"""Adjusted exact tests: single pairs against SciPy, families by simulation of known truth."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from ganbaru.comparison import significance
from ganbaru.comparison.results import Result, claims, reading
from ganbaru.comparison.standings import standings


def pair_differences(scores):
    return np.stack([a - b for a, b in itertools.combinations(scores, 2)])


@pytest.mark.parametrize("seeds", [2, 5, 9])
def test_one_pair_has_the_p_value_of_scipys_exact_test(seeds):
    from scipy import stats  # 1.2 s, which not every process that collects tests need take

    rng = np.random.default_rng(seeds)
    one, other = rng.normal(0.8, 1, seeds), rng.normal(0, 1, seeds)

    def t(x, y, axis):
        return np.abs((x - y).mean(axis=axis)) / np.std(x - y, axis=axis, ddof=1)

    expected = stats.permutation_test(
        (one, other), t, permutation_type="samples", alternative="greater", n_resamples=np.inf
    )
    found = significance.adjusted_p((one - other)[None])
    assert found == pytest.approx([expected.pvalue])


def test_the_smallest_p_is_reached_by_clear_differences_and_by_nothing_less():
    for seeds in (3, 5, 6, 10):
        clear = 100 + np.random.default_rng(seeds).normal(size=(3, seeds))
        assert significance.adjusted_p(clear).min() == significance.smallest_p(seeds)
    assert significance.smallest_p(5) == 0.0625 and significance.seeds_needed() == 6
    many = 100 + np.random.default_rng(0).normal(size=(1, 20))
    assert significance.adjusted_p(many)[0] == pytest.approx(significance.smallest_p(20), rel=1)


def test_steps_down_by_hand():
    # With 3 seeds there are 4 assignments up to sign; the first pair is the largest in one, and
    # the second alone is at least as large in two.
    pairs = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, -0.5], [0.0, 0.0, 0.0]])
    alone = significance.adjusted_p(pairs[1:2])
    assert alone == pytest.approx([0.5])
    assert significance.adjusted_p(pairs) == pytest.approx([0.25, 0.5, 1.0])


@pytest.mark.parametrize(
    ("contestants", "seeds"), [(2, 5), (2, 6), (9, 6), pytest.param(9, 10, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("kind", ["normal", "lognormal", "unequal spread"])
def test_equal_contestants_are_rarely_found_to_differ(contestants, seeds, kind):
    """At most 5 % of tournaments may make a claim; 300 of them allow for 8.8 % by chance."""
    rng, wrong, repeats = np.random.default_rng(1), 0, 300
    spread = np.linspace(0.1, 5, contestants)[:, None] if kind == "unequal spread" else 1.0
    for _ in range(repeats):
        noise = rng.lognormal if kind == "lognormal" else rng.normal
        scores = spread * noise(size=(contestants, seeds)) + rng.normal(size=seeds)
        wrong += (significance.adjusted_p(pair_differences(scores)) <= 0.05).any()
    assert wrong / repeats <= 0.088
    assert (wrong > 0) == (seeds >= significance.seeds_needed())


def test_claims_are_of_pairs_whose_p_value_supports_them():
    rng = np.random.default_rng(0)
    good = rng.normal(0, 1, 8)
    scores = {"good": good, "close": good + np.tile([0.5, -0.4], 4)}
    scores |= {"bad": rng.normal(9, 1, 8), "fails": np.array([np.inf] + [20.0] * 7)}
    found = standings(scores)
    by_name = {pair.second: pair for pair in found.pairs if pair.first == found.order[0]}
    assert by_name["bad"].p == significance.smallest_p(8)
    assert by_name["fails"].p is None
    claim, rest, failed = claims(found, 8)
    assert "bad" in claim and "close" not in claim and "good" in claim
    assert "fails" in rest and "fails" in failed


def test_five_seeds_claim_nothing_however_large_the_difference():
    found = standings({"a": np.arange(5.0), "b": np.arange(5.0) + 1000 + np.eye(5)[0]})
    (line,) = claims(found, 5)
    assert "no claim" in line and str(significance.seeds_needed()) in line


@pytest.mark.parametrize("names, said", [("ab", None), ("abc", "all 3 pairs")])
def test_pairs_are_counted_where_there_is_more_than_one(names, said):
    found = standings({name: np.arange(8.0) + 3 * i for i, name in enumerate(names)})
    text = " ".join(reading(Result(Path(), found, dict.fromkeys(names, [None] * 8), [])))
    assert (said in text) if said else "pairs and" not in text
    assert "adjusted for" in text
