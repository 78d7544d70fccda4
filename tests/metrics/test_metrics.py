"""Each score on cases whose answer is known, and the errors of each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganbaru import data
from ganbaru.errors import InputError, RunError
from ganbaru.metrics import (
    candidates,
    class_metrics,
    classifier,
    intervals,
    kernel,
    monge,
    scorer,
    two_sample,
)
from ganbaru.metrics.definitions import METRICS, compute_scores
from ganbaru.metrics.feature_sets import ClassStatistics, FeatureSet, comparisons
from ganbaru.metrics.frechet import frechet, frechet_at_infinity
from ganbaru.metrics.monge import mind
from ganbaru.metrics.neighbours import neighbourhood
from ganbaru.metrics.scorer import Features
from ganbaru.metrics.sliced import distance, projected
from ganbaru.metrics.vendi import vendi

RNG = np.random.default_rng(3)


def exact(count: int, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return features whose mean and covariance are these, exactly."""
    drawn = RNG.standard_normal((count, len(mean)))
    drawn -= drawn.mean(axis=0)
    white = drawn @ np.linalg.inv(np.linalg.cholesky(np.cov(drawn.T))).T
    return white @ np.linalg.cholesky(spread).T + mean


def sliced_wasserstein(real: np.ndarray, fake: np.ndarray) -> float:
    return distance(projected(real), projected(fake))


def test_frechet_distance_of_known_gaussians():
    # With covariances that commute: |m1 - m2|² + sum (s1 - s2)² over their common axes.
    turn, _ = np.linalg.qr(RNG.standard_normal((4, 4)))
    deviations = np.array([1.0, 2.0, 3.0, 0.5]), np.array([2.0, 2.0, 1.0, 0.1])
    spreads = [turn @ np.diag(each**2) @ turn.T for each in deviations]
    means = np.zeros(4), np.array([1.0, 0, 2.0, 0])
    real, fake = (exact(100, mean, spread) for mean, spread in zip(means, spreads, strict=True))
    expected = 5 + ((deviations[0] - deviations[1]) ** 2).sum()
    assert frechet(real, fake) == pytest.approx(expected, rel=1e-9)
    assert frechet(fake, real) == pytest.approx(expected, rel=1e-9)
    assert frechet(real.astype(np.float32), real.astype(np.float32)) == pytest.approx(0, abs=1e-9)


@given(st.integers(2, 40), st.integers(2, 40), st.integers(1, 60))
def test_frechet_distance_is_a_number_from_zero_even_of_fewer_images_than_features(n, m, width):
    rng = np.random.default_rng([n, m, width])
    features = [np.maximum(rng.standard_normal((count, width)), 0) for count in (n, m)]
    assert 0 <= frechet(*features) < np.inf
    assert frechet(*features) == pytest.approx(frechet(*features[::-1]), rel=1e-6, abs=1e-9)


def test_kernel_distance_is_unbiased():
    """Of two sets of the same kind it is 0 on average, however few there are."""
    rng = np.random.default_rng(0)
    whole = [(np.arange(20), np.arange(20))]
    found = [kernel.kernel_distance(*rng.standard_normal((2, 20, 4)), whole)[0] for _ in range(400)]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found)) < 3 * error
    apart = kernel.kernel_distance(rng.standard_normal((20, 4)), np.full((20, 4), 2.0), whole)[0]
    assert apart > 10 * np.std(found)


@given(st.integers(4, 3000), st.integers(4, 3000))
def test_subsets_of_the_kernel_distance_have_no_repeats(reals, fakes):
    first = next(iter(kernel.subsets(reals, fakes, seed=1)))
    for places, count in zip(first, (reals, fakes), strict=True):
        assert len(places) == len(set(places.tolist())) == min(1000, reals // 2, fakes // 2)
        assert places.min() >= 0 and places.max() < count


def test_neighbours_of_points_on_a_line():
    # Reals at 0, 1, ..., 9: the balls of the 2 nearest have radius 1 inside, 2 at both ends.
    real = np.arange(10.0)[:, None]
    fake = np.array([[-1.5], [0.5], [4.6], [4.7], [30.0], [31.0]])
    found = neighbourhood(real, fake, k=2)
    assert found.precision == pytest.approx(4 / 6)
    # -1.5 is in the ball of 0; 0.5 in those of 0 and 1; 4.6 and 4.7 in those of 4 and 5.
    assert found.density == pytest.approx((1 + 2 + 2 + 2) / (2 * 6))
    assert found.coverage == pytest.approx(4 / 10)  # 0, 1, 4, 5
    assert found.novelty == pytest.approx(3 / 6)  # -1.5, and the two far away
    # -1.5 reaches 6.1; 0.5 4.1; 4.6 4.1; 4.7 4.2; 30 and 31 more than 25.
    assert found.recall == 1.0


@given(st.integers(7, 200), st.integers(7, 200), st.integers(1, 8))
def test_neighbours_in_pieces_are_those_of_the_plain_definition(n, m, width):
    rng = np.random.default_rng([n, m, width])
    real, fake = rng.standard_normal((n, width)), rng.standard_normal((m, width)) * 0.8
    apart = np.linalg.norm(fake[:, None] - real, axis=2)
    own = [np.sort(np.linalg.norm(x[:, None] - x, axis=2), axis=1) for x in (real, fake)]
    inside = apart < own[0][:, 5]
    found = neighbourhood(real, fake)
    assert found.precision == pytest.approx(inside.any(axis=1).mean())
    assert found.recall == pytest.approx((apart < own[1][:, 5, None]).any(axis=0).mean())
    assert found.density == pytest.approx(inside.sum() / (5 * m))
    assert found.coverage == pytest.approx(inside.any(axis=0).mean())
    novel = apart.min(axis=1) > own[0][apart.argmin(axis=1), 1]
    assert found.novelty == pytest.approx(novel.mean())


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize(("reals", "fakes"), [(120, 120), (240, 60)])
def test_errors_in_closed_form_are_the_deviations_of_fresh_samples(
    reals, fakes, shift, monkeypatch
):
    """Up to twice those at equal distributions, where subsamples of a tenth gave three times."""
    monkeypatch.setattr(monge, "DIRECTIONS", 60)
    monge._directions.cache_clear()
    names = ("mind", "kernel", "sliced", "density", "coverage")
    found, errors, rng = [], [], np.random.default_rng(0)
    for _ in range(60):
        sets = []
        for count, by in ((reals, 0), (fakes, shift)):
            x = ((1 - 0.3 * by) * rng.normal(size=(count, 16)) + by * np.eye(16)[0]).astype("f4")
            sets.append(FeatureSet(Features((x,), None), None, x * 20, np.arange(count)))
        none, subsets = ClassStatistics(np.empty(0), 0), [*kernel.subsets(reals, fakes, 0)][:10]
        one = comparisons(*sets, none, subsets)[0]
        values = compute_scores([one], names)[0]
        found.append([values[name] ** (2 if METRICS[name].root else 1) for name in names])
        errors.append([METRICS[name].error(one) for name in names])
    monge._directions.cache_clear()
    ratio = np.sqrt(np.mean(np.square(errors), axis=0)) / np.std(found, axis=0)
    for name, one in zip(names, ratio, strict=True):
        assert 0.75 < one < (1.7 if shift else 2.0), (name, ratio)


def test_sliced_wasserstein_of_a_shift_is_the_shift_along_the_directions():
    real = RNG.standard_normal((2000, 3))
    # A shift s moves the values along a unit direction d by s.d; of (s.d)² the mean is |s|² / 3.
    moved = sliced_wasserstein(real, real + np.array([3.0, 0, 0]))
    assert moved == pytest.approx(np.sqrt(3), rel=0.12)
    assert sliced_wasserstein(real, real) == 0
    assert sliced_wasserstein(real, real * 2) == pytest.approx(1, rel=0.05)
    assert sliced_wasserstein(real, real[:700]) < 0.1


def test_class_shares_and_their_divergence():
    labels = np.array([0, 0, 1, 3])
    assert class_metrics.shares(labels, 5).tolist() == [0.5, 0.25, 0, 0.25, 0]
    assert class_metrics.modes(labels) == 3
    half = np.array([0.5, 0.5, 0, 0])
    found = class_metrics.divergence(half, 1000, np.full(4, 0.25), 100)
    assert found.value == pytest.approx(np.log(2) - 1 / 2000)
    # A class that no real has counts as half an image of the 100.
    found = class_metrics.divergence(half, 1000, np.array([1.0, 0, 0, 0]), 100)
    assert found.value == pytest.approx(0.5 * np.log(0.5) + 0.5 * np.log(0.5 / 0.005) - 1 / 2000)
    assert class_metrics.agreement(np.array([1, 2, 3, 4]), np.array([1, 2, 3, 0])) == 0.75


@pytest.mark.parametrize(
    ("classes", "count"), [(2, 50), (2, 300), (10, 150), (10, 300), (10, 5000), (1000, 26_000)]
)
@pytest.mark.parametrize("tilt", [0, 0.3, 0.6, "half"])
def test_class_divergence_is_unbiased_and_its_interval_holds_the_truth(classes, count, tilt):
    """In 92.5 % of cases or more, of equal and of other shares, and with half of the classes."""
    real = np.linspace(1, 3, classes)
    real /= real.sum()
    turns = np.arange(classes)
    true = real * (turns % 2 if tilt == "half" else 1 + tilt * np.sin(turns))
    true /= true.sum()
    drawn = np.random.default_rng(0).multinomial(count, true, size=400) / count
    found = [class_metrics.divergence(one, count, real, 60_000) for one in drawn]
    made = true > 0
    exact = float(true[made] @ np.log(true[made] / real[made]))
    values, (low, high) = (
        np.array([x.value for x in found]),
        np.transpose([x.limits for x in found]),
    )
    assert values.mean() == pytest.approx(exact, abs=4 * values.std() / 20 + 0.2 / count)
    held = (low <= exact + 1e-9) & (exact <= high + 1e-9)
    assert held.mean() >= 0.925 and (low <= values).all()


def test_few_images_of_a_class_give_no_interval():
    shares = np.full(10, 0.1)
    assert class_metrics.divergence(shares, 99, shares, 1000).limits == (None, None)


@pytest.mark.parametrize("ratio", [1, 4, 20])
def test_a_perfect_conditional_generator_reaches_the_baseline_of_unequal_classes(ratio):
    """Ten classes at shares from 1 to `ratio`, 64 features; labels by shares and in turn."""
    rng, n = np.random.default_rng(0), 4000
    shares = np.geomspace(1, ratio, 10)
    shares /= shares.sum()
    centres, spread = rng.normal(size=(10, 64)), np.linspace(1, 0.1, 64)

    def perfect(labels):
        return centres[labels] + rng.normal(size=(len(labels), 64)) * spread

    real, other = (perfect(rng.choice(10, n, p=shares)) for _ in range(2))
    found = candidates.by_shares(shares, n)
    floor = frechet(real, other)
    assert frechet(real, perfect(found)) < 1.3 * floor
    of_classes = class_metrics.shares(found, 10)
    assert abs(class_metrics.divergence(of_classes, n, shares, 60_000).value) < 0.002
    if ratio == 20:
        assert frechet(real, perfect(np.arange(n) % 10)) > 10 * floor
    if ratio == 1:
        np.testing.assert_array_equal(found, np.arange(n) % 10)


def test_unseen_modes_are_estimated():
    """Of 100 equal classes in 150 images about 78 are seen; of 10, all."""
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, 100, 150) for _ in range(200)]
    seen = np.mean([class_metrics.modes(labels) for labels in drawn])
    estimated = np.mean([class_metrics.unseen_modes(labels, 1000) for labels in drawn])
    assert seen < 80 and estimated == pytest.approx(100, rel=0.03)
    assert class_metrics.unseen_modes(np.arange(1000) % 10, 10) == 10
    assert class_metrics.unseen_modes(np.arange(9), 10) == 10  # never more than there are


def test_the_frechet_distance_at_infinity_is_that_of_the_distributions():
    """Of Gaussians, whose distance is known; the plain one of 600 images is far too large."""
    spectrum, shift = 1 / np.arange(1, 33) ** 0.7, np.eye(32)[0] / 2
    exact = 0.25 + float((spectrum * 0.2**2).sum())
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        real = rng.normal(size=(600, 32)) * spectrum**0.5
        fake = 0.8 * rng.normal(size=(900, 32)) * spectrum**0.5 + shift
        same = rng.normal(size=(900, 32)) * spectrum**0.5
        pairs = (real, fake), (real, same)
        found.append([f(*p) for p in pairs for f in (frechet, frechet_at_infinity)])
    plain, at_infinity, floor, zero = np.mean(found, axis=0)
    assert plain > exact + 0.8 * floor
    assert at_infinity == pytest.approx(exact, rel=0.05)
    assert abs(zero) < floor / 20


def test_mind_of_known_distributions():
    """Of Gaussians that differ in mean and scale, W2² along each direction is known."""
    rng, scale, shift = np.random.default_rng(0), 1.5, 0.8
    real = rng.normal(size=(4000, 16))
    fake = scale * rng.normal(size=(3000, 16)) + shift
    # The mean over directions u of (u.m)² + (s - 1)², with |m|² = 16 shift².
    expected = 3 * 16 * (shift**2 + (scale - 1) ** 2)
    assert mind(real, fake) == pytest.approx(expected, rel=0.04)
    assert mind(real, real) == 0 and mind(real, fake) == mind(fake, real)
    small = rng.normal(size=(2, 50, 3)).astype(np.float32)
    along = [np.sort(x @ monge._directions(3).T, axis=0) for x in small]
    assert mind(*small) == pytest.approx(9 * np.mean((along[0] - along[1]) ** 2), rel=1e-5)


def test_vendi_counts_different_images():
    rng = np.random.default_rng(0)
    eye, zero = np.eye(12), np.zeros(12)
    assert vendi(eye, zero) == pytest.approx(12)
    assert vendi(np.repeat(eye[:3], 5, axis=0), zero) == pytest.approx(3)
    assert vendi(np.ones((9, 4)), np.zeros(4)) == pytest.approx(1)
    for count in (1, 4):  # images at the centre: alike, and unlike the others
        near = np.concatenate([np.repeat(eye[:4], count, axis=0), np.zeros((count, 12))])
        assert vendi(near, zero) == pytest.approx(5)
    x = rng.normal(size=(30, 7)) + 3
    unit = (x - 1) / np.linalg.norm(x - 1, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(unit @ unit.T / 30)
    values = values[values > 1e-12]
    assert vendi(x, np.ones(7)) == pytest.approx(np.exp(-(values * np.log(values)).sum()))


def test_two_sample_tests_of_equal_and_of_different_distributions():
    rng, small = np.random.default_rng(0), 0
    for _ in range(200):
        real, fake = rng.normal(size=(2, 60, 3))
        found = two_sample.two_sample_test(real, fake, two_sample.nearest_neighbours)
        small += found.p <= 0.1
    # Of 30 guesses, 19 right ones or more have p = 0.1002, so 20 or more count: 4.9 % of cases.
    assert 2 <= small <= 20 and found.tested == 30
    other = two_sample.two_sample_test(real, fake + 9, two_sample.nearest_neighbours)
    assert other.accuracy == 1 and other.p == pytest.approx(0.5**30)


@pytest.mark.parametrize(("reals", "fakes"), [(1000, 1000), (200, 5000), (5000, 200)])
def test_each_side_has_its_own_error(reals, fakes):
    """Of a difference of means, whose error is known whatever the counts."""
    found = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        real, fake = rng.standard_normal(reals), 2 * rng.standard_normal(fakes)

        def score(a, b, real=real, fake=fake):
            return {"difference": float(real[a].mean() - fake[b].mean())}

        silent = data.silent
        found.append(intervals.standard_errors(score, reals, fakes, seed, silent)["difference"])
    exact = np.sqrt(1 / reals + 4 / fakes)
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(exact, rel=0.12)


def test_the_jackknife_of_equal_and_of_different_distributions():
    """A Fréchet distance's error is right; of equal distributions at most 1.7 times too large."""
    for shift, most in ((0, 1.7), (1, 1.25)):
        found, errors, rng = [], [], np.random.default_rng(0)
        for seed in range(30):
            real, fake = rng.normal(size=(400, 8)), rng.normal(size=(300, 8)) + shift

            def score(a, b, real=real, fake=fake):
                return {"frechet": frechet(real[a], fake[b])}

            found.append(frechet(real, fake))
            errors.append(intervals.jackknife(score, 400, 300, seed)["frechet"])
        ratio = np.sqrt(np.mean(np.square(errors))) / np.std(found, ddof=1)
        assert 0.8 < ratio < most, (shift, ratio)


def test_wilsons_interval_of_shares():
    assert intervals.wilson(0.999, 1000) == pytest.approx((0.99435, 0.99982), abs=1e-4)
    low, high = intervals.wilson(1.0, 500)
    assert high == pytest.approx(1) and low == pytest.approx(1 - 1.96**2 / (500 + 1.96**2))
    assert intervals.wilson(0.5, 10_000) == pytest.approx((0.4902, 0.5098), abs=1e-4)


@pytest.mark.parametrize("distance", [0, 0.2, 0.5, 1])
def test_interval_of_a_squared_distance_holds_it_on_both_sides(distance):
    """Of a mean in 4 dimensions of 50 normal numbers: value ± 2.093 errors holds it less often."""
    x = np.random.default_rng(0).normal(size=(2000, 50, 4))
    x[..., 0] -= distance
    mean, variance = x.mean(axis=1), x.var(axis=1, ddof=1)
    values = (mean**2).sum(axis=1) - variance.sum(axis=1) / 50
    errors = 2 * np.sqrt((mean**2 * variance).sum(axis=1) / 50)
    limits = [intervals.of_squared(*one) for one in zip(values, errors, strict=True)]
    low, high = np.transpose(limits)
    held = (low <= distance**2) & (distance**2 <= high)
    symmetric = np.abs(values - distance**2) <= 2.093 * errors
    assert 0.94 < held.mean() < 0.99 and held.mean() > symmetric.mean() + 0.005
    slopes = errors**2 / np.maximum(values, 2.093 * errors)
    for limit in (low, high):
        grown = errors**2 + slopes * (limit - values)
        assert limit - values == pytest.approx(np.copysign(2.093 * grown**0.5, limit - values))
    assert intervals.of_squared(0.3, 0.0) == (0.3, 0.3)


@pytest.mark.parametrize("count", [200, 9000])
def test_intervals_are_as_wide_as_scores_of_fresh_samples_vary(count):
    """Of a mean, whose error is known: deviation / sqrt(n), at half and at smaller subsamples."""
    found = []
    for seed in range(12):
        values = np.random.default_rng(seed).standard_normal(count)

        def score(reals, fakes, values=values):
            return {"mean": float(values[fakes].mean())}

        found.append(intervals.standard_errors(score, count, count, seed, lambda *_: None)["mean"])
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(1 / np.sqrt(count), rel=0.15)


def test_no_subsample_has_an_image_twice():
    for places in intervals.subsamples(101, "reals", seed=5):
        assert len(places) == len(set(places.tolist())) == 50


def kernel_of(real: np.ndarray, fake: np.ndarray) -> float:
    return kernel.kernel_distance(real, fake, kernel.subsets(len(real), len(fake), 0))[0]


def c2st(real: np.ndarray, fake: np.ndarray) -> float:
    return two_sample.two_sample_test(real, fake, two_sample.nearest_neighbours).accuracy


def near(real: np.ndarray, fake: np.ndarray) -> float:
    found = neighbourhood(real, fake)
    shares = found.precision + found.recall + found.density + found.coverage + found.novelty
    return shares + sum(found.errors.values())


def diversity(*sets: np.ndarray) -> float:
    return sum(vendi(x, np.zeros(3)) for x in sets)


# Every function of features, with the fewest images that it takes.
OF_FEATURES = {
    frechet: 2,
    frechet_at_infinity: 4,
    mind: 2,
    kernel_of: 2,
    near: 6,
    c2st: two_sample.MIN_IMAGES,
    distance: 2,
    diversity: 1,
}


@pytest.mark.parametrize(("score", "least"), OF_FEATURES.items())
def test_a_score_of_too_few_images_or_of_no_numbers_is_refused(score, least):
    """And of as few as allowed, and of images that are all alike, it is a number."""
    real, fake = np.random.default_rng(0).normal(size=(2, least, 3)).astype(np.float32)
    alike = np.full_like(real, 0.3)
    for pair in ((real, fake), (real, alike), (alike, real), (alike, alike)):
        assert np.isfinite(score(*pair)), pair
    for bad in (np.nan, np.inf, -np.inf):
        spoilt = real.copy()
        spoilt[-1, 1] = bad
        for pair in ((real, spoilt), (spoilt, real)):
            with pytest.raises(InputError, match=f"of 1 of {least} images.*--scorer"):
                score(*pair)
    for count in range(least):
        for pair in ((real, fake[:count]), (real[:count], fake)):
            with pytest.raises(InputError):
                score(*pair)


def test_a_score_too_large_for_a_number_is_an_error():
    rng = np.random.default_rng(0)
    sets = []
    for scale in (1, 1e25):  # its square is no number of float32, in which MIND computes
        rows = (scale * rng.normal(size=(50, 3))).astype(np.float32)
        sets.append(FeatureSet(Features((rows,), None), None, rows, np.arange(50)))
    compared = comparisons(*sets, ClassStatistics(np.empty(0), 50))
    with np.errstate(over="ignore"), pytest.raises(RunError, match="Monge"):
        compute_scores(compared, ["frechet", "mind"])


@given(st.integers(1, 9), st.integers(1, 600), st.floats(-1e4, 1e4))
def test_rounding_never_decides_between_equal_points(times, width, offset):
    """Copies of reals that are in the data several times have no novelty, and no ball if k have."""
    rng = np.random.default_rng([times, width])
    real = np.repeat(rng.normal(size=(12, width)) + offset, times + 1, axis=0)
    found = neighbourhood(real, real[::-1])
    assert found.novelty == 0
    assert found.precision == found.recall == found.coverage == float(times < 5)


def test_features_that_are_all_equal_are_not_divided_by_their_rounding():
    for value in (0, 0.1, 0.1234567, 1e-20, 3e5):
        features = np.full((200, 7), value)
        noise = np.random.default_rng(0).normal(size=features.shape) * 2e-8
        assert scorer.scale(features)[1] == scorer.scale(features * (1 + noise))[1] == 1
        if value:
            spread = scorer.scale(features * (1 + noise * 1e4))[1]
            assert spread == pytest.approx(2e-4 * value, rel=0.1)


def test_a_classifier_learns_and_is_the_same_each_time():
    images = np.zeros((200, 9, 12, 3), np.uint8)
    labels = np.arange(200) % 4
    for i, label in enumerate(labels):  # a bright quarter, in noise
        rows, columns = divmod(int(label), 2)
        images[i, 4 * rows : 4 * rows + 4, 6 * columns : 6 * columns + 6] = 150
    images += np.random.default_rng(0).integers(0, 100, images.shape, dtype=np.uint8)
    recipe = classifier.Recipe(width=4, shown=2560)
    one, two = (
        classifier.train(images[:160], labels[:160], 4, recipe, lambda *_: None) for _ in range(2)
    )
    for name, array in one.parameters.items():
        assert array.tobytes() == two.parameters[name].tobytes()
    found = one.labels(images[160:], lambda *_: None)
    assert class_metrics.agreement(found, labels[160:]) > 0.95


def test_shifts_move_images_by_up_to_a_14th():
    images = np.arange(28 * 28, dtype=np.int64).reshape(1, 28, 28, 1).repeat(64, axis=0) % 251
    moved = classifier.shifted(images.astype(np.uint8), seed=0, step=3)
    places = {
        (down, right)
        for image in moved
        for down in range(-2, 3)
        for right in range(-2, 3)
        if (image[2:26, 2:26] == images[0, 2 + down : 26 + down, 2 + right : 26 + right]).all()
    }
    assert len(places) > 15 and all(max(map(abs, place)) <= 2 for place in places)
    small = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    assert (classifier.shifted(small, seed=0, step=0) == small).all()
