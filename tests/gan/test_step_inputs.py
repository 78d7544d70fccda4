"""What the networks and losses are given in a training step, recorded call by call."""

from __future__ import annotations

import dataclasses
import gc

import numpy as np
import pytest
from helpers import NUMPY32, NUMPY64, table
from network_calls import recorded
from numpy.testing import assert_array_equal
from train_helpers import needs_torch, tiny

from ganbaru import nn, ops, registry
from ganbaru.gan import models, step
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.training import setup

TWO_CLASSES = {"network": "dcgan-5x5", "objective": "two-class", "distribution": "uniform"}


def test_d_scores_fakes_with_the_label_that_g_was_given():
    gan = table(NUMPY64, conditioning="planes")
    calls = recorded(gan)
    of_d = gan.draw.step(0).d[0]
    gan.step(0)
    made = {call.y.tobytes(): call.label for call in calls if call.player == "generator"}
    judged = [call for call in calls if call.x.tobytes() in made]
    assert len(judged) == len(made) == 2
    for call in judged:
        assert_array_equal(call.label, made[call.x.tobytes()])
    assert (of_d.label != of_d.real_label).any()  # or the two could not be told apart


@pytest.mark.parametrize(
    "name", [n for n in registry.names("networks") if models.logits(n, None) == 1]
)
def test_loss_is_the_mean_over_all_scores(name):
    """Scores are (B,), or (B, patches) for patchgan; the losses are recomputed in NumPy."""
    gan = table(NUMPY64, network=name)
    calls = recorded(gan)
    report = gan.step(0)
    real, fake, last = (call.y for call in calls if call.player == "discriminator")
    assert real.shape == fake.shape == last.shape
    assert real.shape[0] == 8 and real.ndim == (2 if name == "patchgan" else 1)
    losses = [np.mean(np.logaddexp(0, -s)) for s in (real, last)] + [np.mean(np.logaddexp(0, fake))]
    assert report["g_loss"] == pytest.approx(losses[1], rel=1e-12)
    assert report["d_loss"] == pytest.approx(losses[0] + losses[2], rel=1e-12)


@pytest.mark.parametrize("name", [n for n, each in OBJECTIVES.items() if each.relativistic])
def test_relativistic_g_loss_uses_scores_of_the_updated_d(name):
    gan, seen = table(NUMPY64, objective=name), []

    def recording(real, fake, g_loss=gan.gan.g_loss):
        seen.append(real)
        return g_loss(real, fake)

    gan.gan = dataclasses.replace(gan.gan, g_loss=recording)
    batches, stale = gan.draw.step(0), gan.arrays()
    gan.d_update(batches.d[0])
    fresh = gan.arrays()
    gan.g_update(batches.g)
    scores = [
        nn.apply(gan.gan.discriminator, state["discriminator"], fresh["discriminator_buffers"],
                 batches.g.real, training=True)[0]
        for state in (stale, fresh)
    ]  # fmt: skip
    (real,) = seen
    assert_array_equal(real, scores[1])
    assert (real != scores[0]).all()
    assert type(real) is np.ndarray  # no part of a graph: nothing is computed for D's weights


def test_each_d_update_has_its_own_reals():
    gan = table(NUMPY64, objective="rsgan", d_steps=3)
    calls = recorded(gan)
    batches = gan.draw.step(0)
    gan.step(0)
    scored = [call.x for call in calls if call.player == "discriminator"]
    reals = [scored[i] for i in (0, 2, 4, 6)]  # each before its fakes; the last in G's turn
    for found, batch in zip(reals, (*batches.d, batches.g), strict=True):
        assert_array_equal(found, batch.real)
    assert len({image.tobytes() for real in reals[:3] for image in real}) == 24


@pytest.mark.parametrize("name", [n for n, each in OBJECTIVES.items() if each.relativistic])
def test_relativistic_pairs_share_label_and_patch_position(name):
    gan = table(NUMPY64, objective=name, network="patchgan", conditioning="planes")
    calls = recorded(gan)
    report = gan.step(0)
    real, fake, of_g, of_g_fake = (call for call in calls if call.player == "discriminator")
    assert_array_equal(real.label, fake.label)
    assert_array_equal(of_g.label, of_g_fake.label)
    assert real.y.shape == fake.y.shape == (8, 16)  # 4x4 patches, in order
    assert float(OBJECTIVES[name].d(real.y, fake.y)) == pytest.approx(report["d_loss"], rel=1e-12)
    shuffled = OBJECTIVES[name].d(real.y, np.roll(fake.y, 1, axis=0))
    assert (abs(shuffled - report["d_loss"]) > 1e-9) == (name == "rsgan")  # the one that has pairs


def test_reals_and_fakes_have_the_same_range():
    gan = table(NUMPY32, **TWO_CLASSES)
    calls = recorded(gan)
    gan.step(0)
    real, fake, _ = (call.x for call in calls if call.player == "discriminator")
    assert -1 <= real.min() < -0.98 and 0.98 < real.max() <= 1
    assert -1 < fake.min() < 0 < fake.max() < 1
    big = {"image.conv.bias": np.full(1, 1e3, np.float32)}
    for sign in (-1, 1):
        weights = {**gan.state["generator"], "image.conv.bias": sign * big["image.conv.bias"]}
        made, _ = nn.apply(
            gan.gan.generator, weights, gan.state["generator_buffers"], calls[0].x,
            training=False,
        )  # fmt: skip
        assert set(made.ravel()) == {sign}  # both ends are those of the reals


def test_reported_losses_are_those_of_the_update():
    gan = table(NUMPY64, **TWO_CLASSES)
    calls = recorded(gan)
    report = gan.step(0)
    real, fake, last = (call.y for call in calls if call.player == "discriminator")
    assert float(gan.gan.d_loss(real, fake)) == pytest.approx(report["d_loss"], rel=1e-14)
    assert float(gan.gan.g_loss(None, last)) == pytest.approx(report["g_loss"], rel=1e-14)
    margins = [np.mean(scores[:, 1] - scores[:, 0]) for scores in (real, fake)]
    assert [report["real_score"], report["fake_score"]] == pytest.approx(margins, rel=1e-12)


@pytest.mark.parametrize("option", ["spectral_norm", "minibatch_deviation", "clip", "d_steps"])
def test_options_change_the_losses(option):
    other = {"spectral_norm": "d", "minibatch_deviation": True, "clip": 0.01, "d_steps": 2}[option]
    losses = []
    for options in ({}, {option: other}):
        gan = table(NUMPY64, **options)
        gan.step(0)
        losses.append(gan.step(1)["d_loss"])
    assert losses[0] != losses[1]


def test_d_is_not_saturated_in_the_first_steps():
    gan = table(
        NUMPY32, (64, 64, 3), order="g-first", share="fakes", optimiser="adam:epsilon=1e-7",
        lr=2e-4, latent=100,
    )  # fmt: skip
    for number in range(13):
        report = gan.step(number)
        assert 0.05 < report["d_loss"] < 3 and 0.05 < report["g_loss"] < 3
        assert abs(report["real_score"]) < 5 and abs(report["fake_score"]) < 5


def test_gradient_shared_by_two_branches_is_not_modified_in_place(any_engine):
    x = np.array([[-2.0, 3.0], [4.0, -5.0]])

    def loss(given):
        y = given["x"] * 1.0
        return ops.sum(ops.leaky_relu(y) + y), None

    _, _, slopes = ops.value_and_grad(loss, {"x": any_engine.from_numpy(x)})
    assert_array_equal(ops.to_numpy(slopes["x"]), 1 + (x > 0))


@needs_torch
def test_losses_of_a_step_stay_on_the_device(tmp_path):
    """Reading a number at every step would wait for the GPU."""
    import torch

    run = setup.build(tiny(tmp_path, engine="torch", steps=3))
    _, metrics = step.train_step(
        run.gan, run.state, run.sampler.step(0), step.step_schedule(run.gan, 0, 1)
    )
    assert {type(value) for value in metrics.values()} == {torch.Tensor}


def test_repeated_sampling_leaks_no_objects(any_engine32):
    gan = table(any_engine32, **TWO_CLASSES)

    def objects(times: int) -> int:
        for _ in range(times):
            gan.sampler().sample(3)
        gc.collect()
        return len(gc.get_objects())

    objects(2)
    before = objects(1)
    assert objects(20) - before < 20  # less than one for each drawing, of some 20 operations
