"""The statistics of a tournament against closed forms and simulations."""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganbaru.comparison import standings
from ganbaru.comparison.standings import flips, interval, splits

PHI = NormalDist().cdf


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng([11, *seed])


@pytest.fixture(scope="module", autouse=True)
def fewer_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standings, "RESAMPLES", 10_000)
        yield


# --- intervals --------------------------------------------------------------------------------


def test_interval_is_the_quantile_of_all_resamples():
    """Three values have 27 resamples: the levels are found by counting them."""
    values = np.array([1.0, 2.0, 4.0])
    means = np.sort([np.mean(drawn) for drawn in itertools.product(values, repeat=3)])
    # t = 0.8165 with 2 degrees of freedom, times sqrt(3 / 2) is 1: the quantile is Phi(-1), 15.9 %,
    # and the 5th of 27 reaches up to 18.5 %.
    assert interval(values, 0.5) == pytest.approx((means[4], means[22]))


def test_interval_of_many_values_is_the_normal_one():
    values = rng(0).normal(3, 2, 400)
    margin = 1.966 * values.std(ddof=1) / math.sqrt(400)
    low, high = interval(values)
    assert low == pytest.approx(values.mean() - margin, abs=0.02)
    assert high == pytest.approx(values.mean() + margin, abs=0.02)


def test_interval_of_one_value_is_none_and_of_equal_values_a_point():
    assert interval(np.array([3.0])) is None
    assert interval(np.full(5, 3.0)) == (3.0, 3.0)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=9), st.floats(-100, 100))
def test_interval_moves_with_its_values(numbers, shift):
    values = np.array(numbers)
    low, high = interval(values)
    assert values.min() - 1e-9 <= low <= high <= values.max() + 1e-9
    assert interval(values + shift) == pytest.approx((low + shift, high + shift), abs=1e-6)


@pytest.mark.parametrize(
    ("n", "least", "most"), [(2, 0.45, 0.55), (5, 0.90, 0.95), (10, 0.92, 0.97)]
)
def test_interval_covers_the_mean_as_often_as_documented(monkeypatch, n, least, most):
    """The docstring's figures: half the time with two values, 93 % with five."""
    monkeypatch.setattr(standings, "RESAMPLES", 4000)
    drawn = rng(n).normal(size=(800, n))
    held = [low <= 0 <= high for low, high in map(interval, drawn)]
    assert least < np.mean(held) < most


def test_plain_percentiles_are_too_narrow():
    """The reason for expanded percentiles."""
    drawn = rng(5).normal(size=(1000, 5))
    places = rng(6).integers(0, 5, (2000, 5))
    means = drawn[:, places].mean(axis=2)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    assert 0.80 < np.mean((low <= 0) & (high >= 0)) < 0.88


# --- flips ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seeds", "count"), [(1, 0), (2, 1), (3, 3), (4, 3), (5, 15), (8, 35)])
def test_all_splits_are_enumerated(seeds, count):
    found = list(splits(seeds))
    half = seeds // 2
    assert len(found) == count == len({frozenset(map(tuple, map(sorted, pair))) for pair in found})
    for one, other in found:
        assert len(one) == len(other) == half and not set(one) & set(other)


def test_splits_of_many_seeds_are_sampled():
    found = list(splits(25))
    assert len(found) == standings.SPLITS
    assert all(len({*one, *other}) == 24 for one, other in found)


def simulated(effect: float, seeds: int) -> float:
    """Return how often a pair flips on average over 400 tournaments."""
    drawn = rng(seeds, int(10 * effect)).normal(size=(400, 2, seeds))
    drawn[:, 1] += effect * math.sqrt(2)  # the deviation of differences
    return float(np.mean([flips(scores).pairs[0, 1] for scores in drawn]))


@pytest.mark.parametrize("effect", [0.0, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("seeds", [2, 5])
def test_flips_match_the_closed_form(effect, seeds):
    """2 p (1 - p): a half for two contestants of one distribution, almost 0 for separated ones."""
    p = PHI(effect * math.sqrt(seeds // 2))
    expected, mean = 2 * p * (1 - p), simulated(effect, seeds)
    assert mean == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 400))


def test_flips_by_hand():
    """Of three seeds, the third alone ranks the contestants the other way."""
    found = flips(np.array([[1.0, 1.0, 5.0], [2.0, 2.0, 2.0]]))
    assert found.pairs[0, 1] == pytest.approx(2 / 3)
    assert found.winner == found.order == pytest.approx(2 / 3)
    assert flips(np.ones((2, 1))) is None
    assert flips(np.ones((2, 4))).order == 0  # a tie is no flip


def test_flips_of_the_winner_and_of_the_order_differ():
    """The first wins whatever the seed; the other two are equal in distribution."""
    drawn = rng(3).normal(size=(400, 3, 4))
    drawn[:, 0] -= 20
    found = [flips(scores) for scores in drawn]
    assert max(one.winner for one in found) == 0
    assert np.mean([one.order for one in found]) == pytest.approx(0.5, abs=0.06)


# --- standings --------------------------------------------------------------------------------


def test_pairing_by_seed_cancels_common_effects():
    common = rng(1).normal(0, 10, 6)
    found = standings.standings({"b": common + 1.0, "a": common})
    assert found.order == ["a", "b"]
    (pair,) = found.pairs
    assert (pair.first, pair.second, pair.seeds) == ("a", "b", 6)
    assert pair.difference == pytest.approx(-1) and pair.flips == 0
    assert pair.interval == pytest.approx((-1, -1))
    low, high = found.intervals["a"]
    assert high - low > 5


def test_failures_rank_last_and_are_left_out_of_differences():
    scores = {
        "fails": np.array([1.0, np.inf, 1.0]),
        "fair": np.array([3.0, 3.0, 4.0]),
        "never": np.full(3, np.inf),
    }
    found = standings.standings(scores)
    assert found.order == ["fair", "fails", "never"]
    assert found.means == {"fair": pytest.approx(10 / 3), "fails": 1.0, "never": None}
    pairs = {(pair.first, pair.second): pair for pair in found.pairs}
    assert pairs["fair", "fails"].difference == pytest.approx(2.5)
    assert pairs["fair", "fails"].seeds == 2
    assert pairs["fair", "fails"].flips == pytest.approx(2 / 3)
    assert pairs["fair", "never"].difference is None and pairs["fair", "never"].flips == 0
