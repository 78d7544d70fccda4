"""Objectives against formulas written again in NumPy, at their optimum and at extreme scores."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import NUMPY64, check_gradients, normal, outcomes
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from ganbaru.gan.objectives import OBJECTIVES, objective

SCORES = arrays(np.float64, st.integers(1, 6), elements=st.floats(-30, 30))
PAIRS = st.integers(1, 6).flatmap(
    lambda n: st.tuples(*[arrays(np.float64, n, elements=st.floats(-30, 30))] * 2)
)


def log_s(x):
    """The logarithm of the logistic function."""
    return -np.logaddexp(0.0, -x)


def cross_entropy(x, target):
    return -np.mean(target * log_s(x) + (1 - target) * log_s(-x))


def softmax(x):
    """The logarithm of the softmax of two logits (N, 2)."""
    return x - np.logaddexp(x[:, 0], x[:, 1])[:, None]


# The two losses of each objective as functions of the scores of reals `r` and fakes `f`.
FORMULAS = {
    "non-saturating": (
        lambda r, f: -np.mean(log_s(r)) - np.mean(log_s(-f)),
        lambda r, f: -np.mean(log_s(f)),
    ),
    "two-class": (
        lambda r, f: -np.mean(softmax(r)[:, 1]) - np.mean(softmax(f)[:, 0]),
        lambda r, f: -np.mean(softmax(f)[:, 1]),
    ),
    "least-squares": (
        lambda r, f: np.mean((r - 1) ** 2) + np.mean(f**2),
        lambda r, f: np.mean((f - 1) ** 2),
    ),
    "hinge": (
        lambda r, f: np.mean(np.clip(1 - r, 0, None)) + np.mean(np.clip(1 + f, 0, None)),
        lambda r, f: -np.mean(f),
    ),
    "wgan": (lambda r, f: np.mean(f) - np.mean(r), lambda r, f: -np.mean(f)),
    "rsgan": (lambda r, f: -np.mean(log_s(r - f)), lambda r, f: -np.mean(log_s(f - r))),
    "rasgan": (
        lambda r, f: -(np.mean(log_s(r - f.mean())) + np.mean(log_s(r.mean() - f))) / 2,
        lambda r, f: -(np.mean(log_s(f - r.mean())) + np.mean(log_s(f.mean() - r))) / 2,
    ),
    "ralsgan": (
        lambda r, f: (np.mean((r - f.mean() - 1) ** 2) + np.mean((f - r.mean() + 1) ** 2)) / 2,
        lambda r, f: (np.mean((f - r.mean() - 1) ** 2) + np.mean((r - f.mean() + 1) ** 2)) / 2,
    ),
    "rahinge": (
        lambda r, f: (
            (
                np.mean(np.clip(1 - (r - f.mean()), 0, None))
                + np.mean(np.clip(1 + (f - r.mean()), 0, None))
            )
            / 2
        ),
        lambda r, f: (
            (
                np.mean(np.clip(1 + (r - f.mean()), 0, None))
                + np.mean(np.clip(1 - (f - r.mean()), 0, None))
            )
            / 2
        ),
    ),
}


def test_every_objective_has_a_formula_here():
    ours = {
        n
        for n, found in OBJECTIVES.items()
        if getattr(found, "d", found).__module__ == "ganbaru.gan.objectives"
    }
    assert FORMULAS.keys() == ours  # other tests may have registered their own


def as_taken(name, scores):
    """Return scores (N,) as an objective takes them: two logits are made of neighbours."""
    logits = OBJECTIVES[name].logits
    return np.stack([np.roll(scores, i) for i in range(logits)], axis=1) if logits > 1 else scores


@pytest.mark.parametrize("name", FORMULAS)
@given(pair=PAIRS)
def test_losses_are_their_formulas(name, pair):
    pair = [as_taken(name, scores) for scores in pair]
    found, expected = OBJECTIVES[name], FORMULAS[name]
    assert_allclose(found.d(*pair), expected[0](*pair), rtol=1e-12, atol=1e-12)
    assert_allclose(found.g(*pair), expected[1](*pair), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in FORMULAS if n != "two-class"])
def test_score_maps_count_each_place(name, any_engine):
    """A patch discriminator's (N, 1, H, W) scores: the mean over all places."""
    pair = normal(3, 1, 2, 2), normal(3, 1, 2, 2, seed=1)
    tensors = [any_engine.from_numpy(scores) for scores in pair]
    for loss, formula in zip((OBJECTIVES[name].d, OBJECTIVES[name].g), FORMULAS[name], strict=True):
        assert_allclose(any_engine.to_numpy(loss(*tensors)), formula(*pair), rtol=1e-12)


@given(pair=PAIRS, real=st.floats(0, 1), fake=st.floats(0, 1))
def test_smoothed_targets(pair, real, fake):
    """Targets other than 1 and 0; the generator's target is D's for reals."""
    found, (r, f) = OBJECTIVES["non-saturating"], pair
    d = found.d(*pair, real=real, fake=fake)
    assert_allclose(d, cross_entropy(r, real) + cross_entropy(f, fake), rtol=1e-10, atol=1e-10)
    assert_allclose(found.g(*pair, real=real, fake=fake), cross_entropy(f, real), atol=1e-10)


def test_minimal_losses_of_two_sided_smoothing():
    """With targets 0.9 and 0.1 the best losses are 0.650 and 0.325, at scores of ±log 9."""
    found, best = OBJECTIVES["non-saturating"], np.log(9.0)
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    r, f = np.full(3, best), np.full(3, -best)
    d = found.d(r, f, real=0.9, fake=0.1)
    g = found.g(r, r, real=0.9, fake=0.1)
    assert_allclose([d, g], [2 * entropy, entropy], rtol=1e-14)
    assert_allclose([d, g], [0.65, 0.325], atol=2e-4)
    _, slopes = outcomes(NUMPY64, lambda *x: found.d(*x, real=0.9, fake=0.1), [r, f], orders=1)
    assert_allclose(slopes, np.zeros(6), atol=1e-15)


@given(pair=PAIRS)
def test_no_scores_have_a_lower_loss_than_the_minimum(pair):
    found = OBJECTIVES["non-saturating"]
    assert found.d(*pair, real=0.9, fake=0.1) > 0.65
    assert found.g(*pair, real=0.9, fake=0.1) > 0.325


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_extreme_scores_stay_finite_in_float32(name, signs, any_engine32):
    pair = [as_taken(name, 1e4 * sign * np.array([1.0, 0.5, 1e-4])) for sign in signs]
    for loss in (OBJECTIVES[name].d, OBJECTIVES[name].g):
        for found in outcomes(any_engine32, loss, pair):
            assert np.isfinite(found).all()


@pytest.mark.parametrize("name", ["non-saturating", "rsgan", "rasgan"])
def test_g_has_a_gradient_where_d_is_certain(name, any_engine32):
    """Where a logarithm of a sigmoid has none: fakes are scored -100, and reals 100."""
    function = lambda fake: OBJECTIVES[name].g(fake * 0.0 + 100.0, fake)  # noqa: E731
    _, slopes = outcomes(any_engine32, function, [np.full(2, -100.0)], orders=1)
    assert (np.abs(slopes) > 0.05).all()


@given(pair=PAIRS)
def test_two_classes_equal_cross_entropy_of_the_difference(pair):
    real, fake = (as_taken("two-class", scores) for scores in pair)
    two, one = OBJECTIVES["two-class"], OBJECTIVES["non-saturating"]
    differences = real[:, 1] - real[:, 0], fake[:, 1] - fake[:, 0]
    assert_allclose(two.d(real, fake), one.d(*differences), rtol=1e-12, atol=1e-12)
    assert_allclose(two.g(real, fake), one.g(*differences), rtol=1e-12, atol=1e-12)


@given(SCORES)
def test_hinge_is_zero_beyond_the_margins(scores):
    realness = 1 + np.abs(scores)
    assert OBJECTIVES["hinge"].d(realness, -realness) == 0


def test_gradients_of_smoothed_targets():
    found = OBJECTIVES["non-saturating"]
    check_gradients(lambda *x: found.d(*x, real=0.9, fake=0.2), normal(4), normal(4, seed=1))


def test_an_objective_can_be_registered_as_a_class():
    """Registering takes the class's name; docstring and flag come along."""

    class saddle_point:  # noqa: N801
        """The minimax game (Goodfellow et al. 2014, eq. 1)."""

        def d(real_scores, fake_scores):  # noqa: N805
            return OBJECTIVES["non-saturating"].d(real_scores, fake_scores)

        def g(real_scores, fake_scores):  # noqa: N805
            return -OBJECTIVES["non-saturating"].d(real_scores, fake_scores)

    try:
        found = objective(relativistic=True)(saddle_point)
        assert OBJECTIVES["saddle-point"] is found
    finally:
        OBJECTIVES.pop("saddle-point", None)
    assert found.relativistic
    assert found.summary == "The minimax game (Goodfellow et al. 2014, eq. 1)."
    assert found.g(np.zeros(2), np.zeros(2)) == -2 * np.log(2)
