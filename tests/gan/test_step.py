"""One update of each player: the engines in step, what moves and what does not, who begins."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from gan_cases import GAMES
from helpers import NUMPY32, NUMPY64, TrainingCase, assert_close, table
from numpy.testing import assert_allclose, assert_array_equal

from ganbaru import nn, ops
from ganbaru.gan import step, step_inputs
from ganbaru.gan.objectives import OBJECTIVES


def _train(gan: TrainingCase, steps: int) -> list[dict[str, float]]:
    return [gan.step(number) for number in range(steps)]


@pytest.mark.parametrize("steps", [5, pytest.param(20, marks=pytest.mark.extended)])
@pytest.mark.parametrize("options", GAMES)
def test_steps_in_float64_are_the_same_on_every_engine(options, steps, other_engine):
    """All weights, moments, statistics and losses within 1e-7."""
    games = [table(engine, **options) for engine in (NUMPY64, other_engine)]
    expected, found = (_train(gan, steps) for gan in games)
    for a, b in zip(expected, found, strict=True):
        assert a.keys() == b.keys() >= {"d_loss", "real_score", "fake_score", "g_loss"}
        assert_allclose([b[name] for name in a], list(a.values()), rtol=0, atol=1e-7)
    wanted, got = (gan.arrays() for gan in games)
    assert wanted.keys() == got.keys()
    for group, arrays in wanted.items():
        assert arrays.keys() == got[group].keys()
        for name, array in arrays.items():
            assert_allclose(got[group][name], array, rtol=0, atol=1e-7, err_msg=f"{group} {name}")


def _gradients(state: dict, player: str, betas=(0.5, 0.999)) -> dict[str, np.ndarray]:
    """Read the gradients of a first update off Adam's mean, which is (1 - beta) times them."""
    return {name: m / (1 - betas[0]) for name, m in state[f"{player}_mean"].items()}


@pytest.mark.parametrize("options", [gan for gan in GAMES if "RMSprop" not in gan.id])
def test_one_step_in_float32_is_the_same_on_every_engine(options, other_engine32):
    """Scores, gradients and one update within 1e-4 of the layer's scale.

    Adam's first step is of one size whatever the gradient's: where that is under 1e-5 of its
    layer's largest, its very sign is rounding, and the update says nothing; biases before a norm
    without offset have no slope at all. A finite difference divides rounding errors by 0.01.
    """
    by_difference = options.get("penalty", "").startswith("fd-")
    near, least = (5e-3, 2e-2) if by_difference else (1e-4, 1e-5)
    games = [table(engine, lr=2e-4, seed=2, **options) for engine in (NUMPY32, other_engine32)]
    reports = [gan.step(0) for gan in games]
    for name, value in reports[0].items():
        assert_allclose(reports[1][name], value, rtol=near, atol=1e-5)
    expected, found = (gan.arrays() for gan in games)
    for player in ("generator", "discriminator"):
        wanted, got = (_gradients(state, player) for state in (expected, found))
        for name in wanted.keys() - games[0].gan.frozen:
            slope, layer = wanted[name], name.rpartition(".")[0]
            scale = max(np.abs(x).max() for n, x in wanted.items() if n.rpartition(".")[0] == layer)
            assert_allclose(got[name], slope, rtol=0, atol=near * scale)
            counts = np.abs(slope) > least * scale
            weights = expected[player][name]
            assert_close(found[player][name][counts], weights[counts], 1e-4)
            assert counts.any() or options.get("network") == "dcgan-5x5"


# --- order and sharing ------------------------------------------------------------------------


def _by_hand(gan: TrainingCase, number: int, order: str, share: str) -> None:
    """Make a step of the updates' own functions."""
    batches, update = gan.draw.step(number), number + 1
    (of_d,), of_g = batches.d, batches.g
    assert (of_d is of_g) == (share != "nothing")
    if share == "fakes":
        gan.state, of_d = step.make_fakes(gan.gan, gan.state, of_d)  # by G before its update
    if order == "g-first":
        gan.g_update(of_g, update)
    gan.d_update(of_d, update)
    if order == "d-first":
        gan.g_update(of_g, update)


@pytest.mark.parametrize("order", ["d-first", "g-first"])
@pytest.mark.parametrize("share", ["nothing", "latents", "fakes"])
def test_a_step_is_its_updates_one_after_the_other(order, share, any_engine32):
    options = {"order": order, "share": share, "objective": "rsgan", "conditioning": "planes"}
    ours, by_hand = (table(any_engine32, **options) for _ in range(2))
    for number in range(2):
        ours.step(number)
        _by_hand(by_hand, number, order, share)
    _assert_same_bits(ours.arrays(), by_hand.arrays())


def _assert_same_bits(found: dict, expected: dict) -> None:
    for group, arrays in expected.items():
        for name, array in arrays.items():
            assert_array_equal(found[group][name], array, err_msg=f"{group} {name}")


@pytest.mark.parametrize(
    ("share", "old"), [("nothing", False), ("latents", False), ("fakes", True)]
)
def test_which_generator_makes_the_fakes_when_g_is_first(share, old):
    """G as it was before its update only where the very same fakes are shared."""
    gan = table(NUMPY64, order="g-first", share=share)
    seen, discriminator_before = [], gan.gan.discriminator

    def watched(scope, image):
        seen.append(ops.stop_gradient(image))
        return discriminator_before(scope, image)

    gan.gan = dataclasses.replace(gan.gan, discriminator=watched)
    (of_d,), before = gan.draw.step(0).d, gan.arrays()
    gan.step(0)
    maker = before if old else gan.arrays()
    expected, _ = nn.apply(
        gan.gan.generator,
        maker["generator"],
        maker["generator_buffers"],
        of_d.latent,
        training=True,
    )
    in_g, real, fake = seen
    assert_array_equal(fake, expected)
    assert_array_equal(real, of_d.real)
    assert (np.array_equal(in_g, fake)) == old


def test_with_d_first_the_same_latents_give_the_same_fakes():
    """Since G has not moved; with G first it has."""
    for order in ("d-first", "g-first"):
        latents, fakes = (table(NUMPY32, order=order, share=s) for s in ("latents", "fakes"))
        for number in range(3):
            latents.step(number), fakes.step(number)
        if order == "d-first":
            _assert_same_bits(latents.arrays(), fakes.arrays())
        else:
            moved = _moved(latents.arrays(), fakes.arrays())
            assert {"generator", "discriminator", "ema"} <= moved


def test_order_and_sharing_give_four_different_results():
    games = [
        table(NUMPY32, order=order, share=share)
        for order, share in (
            ("d-first", "nothing"),
            ("d-first", "fakes"),
            ("g-first", "nothing"),
            ("g-first", "fakes"),
        )
    ]
    for gan in games:
        gan.step(0), gan.step(1)
    weights = {gan.arrays()["generator"]["image.conv.weight"].tobytes() for gan in games}
    assert len(weights) == 4


def test_batches_count_the_images_shown_to_d():
    gan = table(NUMPY32, short_batch=True, batch=12, d_steps=3)  # 40 images: 12, 12, 12, 4
    counts = [gan.draw.step(number).images for number in range(4)]
    assert counts == [gan.draw.images(number) for number in range(4)] == [36, 28, 28, 28]
    for number in range(2):  # short batches are trained_case as they are
        assert np.isfinite(list(gan.step(number).values())).all()


# --- what moves and what does not -------------------------------------------------------------


def _moved(before: dict, after: dict) -> set[str]:
    """Return the groups of the state in which any number has changed."""
    return {
        group
        for group in before
        if any((before[group][name] != after[group][name]).any() for name in before[group])
    }


def test_each_update_changes_its_own_player(any_engine32):
    """And both players' running statistics, as PyTorch's modules in training would."""
    gan = table(any_engine32)
    start = gan.arrays()
    gan.d_update(gan.draw.step(0).d[0])
    middle = gan.arrays()
    assert _moved(start, middle) == {
        "discriminator",
        "discriminator_mean",
        "discriminator_square",
        "discriminator_buffers",
        "generator_buffers",
    }
    gan.g_update(gan.draw.step(0).g)
    assert _moved(middle, gan.arrays()) == {
        "generator",
        "generator_mean",
        "generator_square",
        "generator_buffers",
        "discriminator_buffers",
        "ema",
        "ema_buffers",
    }


def test_the_average_follows_the_generator_and_its_statistics(any_engine):
    """It keeps min(ema, (1 + t) / (10 + t)) of itself at G's update t, from 1."""
    gan = table(any_engine, ema=0.25)
    average = gan.arrays()
    for number, keep in enumerate([2 / 11, 3 / 12, 0.25]):
        gan.step(number)
        now = gan.arrays()
        for ema, target in (("ema", "generator"), ("ema_buffers", "generator_buffers")):
            for name, before in average[ema].items():
                expected = keep * before + (1 - keep) * now[target][name]
                assert_allclose(now[ema][name], expected, rtol=0, atol=1e-14)
        average = now


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_only_relativistic_objectives_give_the_generator_reals(objective):
    """A relativistic objective scores its own batch of reals, by the updated discriminator."""
    relativistic = OBJECTIVES[objective].relativistic
    losses = []
    for darker in (0.0, 1.0):
        network = "dcgan" if OBJECTIVES[objective].logits == 1 else "dcgan-5x5"
        gan = table(NUMPY64, objective=objective, network=network)
        gan.step(0)
        batch = gan.draw.step(1).g
        assert (batch.real is not None) == relativistic
        if relativistic:
            batch = step_inputs.Batch(latent=batch.latent, real=batch.real - darker)
        report = gan.g_update(batch, 2)
        losses.append(float(report["g_loss"]))
    assert (losses[0] != losses[1]) == relativistic


@pytest.mark.parametrize("which", ["label", "real_label"])
def test_both_labels_reach_the_discriminators_update(which):
    updated = []
    for shift in (0, 1):
        gan = table(NUMPY64, conditioning="planes")
        batch = gan.draw.step(0).d[0]
        gan.d_update(batch._replace(**{which: (getattr(batch, which) + shift) % 5}))
        updated.append(gan.arrays()["discriminator"]["score.conv.weight"])
    assert (updated[0] != updated[1]).all()


def test_a_penalty_scores_each_side_under_its_own_label():
    gan = table(NUMPY64, conditioning="planes")
    batch = gan.draw.step(0).d[0]
    seen = []

    def spy(inputs):
        scores = inputs.score_real, inputs.score_fake
        seen.extend(ops.stop_gradient(score(inputs.real)) for score in scores)
        return ops.mean(inputs.score_real(inputs.real)) * 0.0

    first = gan.arrays()
    gan.gan = rules = dataclasses.replace(gan.gan, penalties=(spy,))
    gan.d_update(batch)
    assert (batch.label != batch.real_label).any()
    for found, label in zip(seen, (batch.real_label, batch.label), strict=True):
        expected, _ = nn.apply(
            rules.discriminator,
            first["discriminator"],
            first["discriminator_buffers"],
            batch.real,
            label,
            training=True,
        )
        assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_sampling_between_steps_changes_no_state(any_engine32):
    """Four steps, with pictures made of the average after each or not: the same bits."""
    games = [table(any_engine32, conditioning="projection") for _ in range(2)]
    for number in range(4):
        for gan in games:
            gan.step(number)
        before = games[1].arrays()
        pictures = games[1].sampler().sample(7)
        assert pictures.shape == (7, 16, 16, 1)
        assert not _moved(before, games[1].arrays())
    expected, found = (gan.arrays() for gan in games)
    for group, arrays in expected.items():
        for name, array in arrays.items():
            assert_array_equal(found[group][name], array)
