"""Building GANs: combinations that work, and those refused, with the fix that is named."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from helpers import NUMPY32, NUMPY64, normal, table
from numpy.testing import assert_allclose

from ganbaru import InputError, nn, ops
from ganbaru.config import Config
from ganbaru.gan import build, models
from ganbaru.gan.objectives import OBJECTIVES, objective
from ganbaru.gan.optimizers import OPTIMIZERS
from ganbaru.gan.penalties import PENALTIES
from ganbaru.nn import initializers
from ganbaru.nn.conditioning import CONDITIONINGS

TWO = {"network": "dcgan-5x5", "objective": "two-class"}


def refusal(**options) -> str:
    """Return the message that refuses a GAN of these options."""
    with pytest.raises(InputError) as refused:
        table(NUMPY64, **options)
    return str(refused.value)


def trained_case(steps: int = 2, **options):
    """Train a small GAN and return it; all its metrics are finite."""
    gan = table(NUMPY32, **options)
    for number in range(steps):
        assert np.isfinite(list(gan.step(number).values())).all()
    return gan


# --- logits -----------------------------------------------------------------------------------


def test_two_classes_need_two_logits():
    one = [name for name, each in OBJECTIVES.items() if each.logits == 1]
    assert refusal(objective="two-class") == (
        f"The network dcgan gives 1 logit for an image and the objective two-class takes 2. With "
        f"this network take --objective {' or '.join(one)}."
    )


@pytest.mark.parametrize("objective", ["non-saturating", "rsgan", "wgan"])
def test_two_logits_need_two_classes(objective):
    assert refusal(network="dcgan-5x5", objective=objective) == (
        f"The network dcgan-5x5 gives 2 logits for an image and the objective {objective} takes 1. "
        f"With this network take --objective two-class."
    )


@pytest.mark.parametrize("conditioning", ["projection", "class-norm"])
def test_a_labels_product_needs_one_score(conditioning):
    said = refusal(conditioning=conditioning, **TWO)
    assert "gives 2 for an image: take --conditioning planes." in said


def test_two_logits_with_labels_as_planes():
    gan = trained_case(conditioning="planes", **TWO)
    assert gan.state["discriminator"]["down1.conv.weight"].shape[1] == 1 + 5
    assert gan.sampler().sample(6).shape == (6, 16, 16, 1)


def test_the_5x5_generator_takes_labels_by_its_norms():
    """Although its own norms have neither scale nor offset: class norms bring theirs."""
    config = Config(width=8, latent=6, **TWO)
    plain, _ = models.networks(config, (16, 16, 1), 0)
    wrapped = CONDITIONINGS["class-norm"].generator(plain, 5)
    parameters, buffers = nn.initialise(
        wrapped, (4, 6), (4,), seed=0, initialisation=initializers.INITIALISATIONS["dcgan"]
    )
    tables = {n: p.shape for n, p in parameters.items() if "class" in n}
    assert tables["stem.norm.class_weight"] == (5, 16) and len(tables) == 4
    latent = np.repeat(normal(1, 6), 5, axis=0).astype(np.float32)
    images, _ = nn.apply(wrapped, parameters, buffers, latent, np.arange(5), training=False)
    assert len({image.tobytes() for image in images}) == 5


def test_realness_of_one_and_of_two_logits():
    scores = normal(4, 2)
    assert OBJECTIVES["hinge"].realness(scores) is scores
    found = OBJECTIVES["two-class"].realness(scores)
    assert_allclose(found, scores[:, 1] - scores[:, 0], rtol=1e-14)


THREE = """
import ganbaru
from ganbaru import nn, ops
from ganbaru.networks.dcgan import generator

LOGITS = 3

def discriminator(scope, image, *, image_size, channels, base_channels):
    return nn.scores(scope, ops.reshape(image, (image.shape[0], -1)), nn.dense, logits=LOGITS)

def realness(logits):
    return ops.sum(logits, axis=1)

@ganbaru.objective(logits=3, realness=realness)
class three:
    def d(real, fake):
        return ops.mean(ops.softplus(fake)) + ops.mean(ops.softplus(-real))

    def g(real, fake):
        return ops.mean(ops.softplus(-fake))
"""


@pytest.fixture
def three_logits(tmp_path, monkeypatch):
    """Import the module `three_logits`, with a network and an objective of three logits."""
    (tmp_path / "three_logits.py").write_text(THREE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    OBJECTIVES.pop("three", None)


def test_three_logits_train_with_a_realness(three_logits):
    trained_case(
        network="three_logits", objective="three_logits.three", penalty="r1:gamma=1+wgan-gp"
    )


def test_three_logits_without_a_realness_are_refused(three_logits):
    with pytest.raises(InputError, match=r"3 logits.*realness=.*\(N, 3\)"):
        objective(logits=3)(type("own", (), {"d": None, "g": None}))
    assert re.search("3 logits.*takes 1", refusal(network="three_logits", objective="hinge"))


def test_a_network_of_three_logits_without_an_objective_for_them(three_logits, monkeypatch):
    said = refusal(network="three_logits", objective="hinge")
    assert "@ganbaru.objective(logits=3" in said


# --- penalties --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_on_two_logits_act_on_their_difference(name, any_engine):
    """Of a linear D the difference of logits has the slope w1 - w0 everywhere."""

    def linear(scope, image):
        flat = ops.reshape(image, (image.shape[0], -1))
        return nn.scores(scope, flat, nn.dense, logits=2)

    gan = table(any_engine, penalty=f"{name}:gamma=3", norm="none", **TWO)
    parameters, _ = nn.initialise(
        linear, (2, 1, 16, 16), seed=3, initialisation=initializers.INITIALISATIONS["he"]
    )
    (slopes,) = (p for n, p in parameters.items() if n.endswith("weight"))
    length = float(np.linalg.norm(slopes[1].astype(float) - slopes[0]))
    given = {name: any_engine.from_numpy(array) for name, array in parameters.items()}
    gan.state |= {"discriminator": given, "discriminator_buffers": {}}
    for moment, values in gan.gan.d_optimizer.start(given).items():
        gan.state[f"discriminator_{moment}"] = values
    gan.gan = dataclasses.replace(
        gan.gan, discriminator=linear, d_loss=lambda real, fake: ops.mean(real) * 0.0
    )
    batch = gan.draw.step(0).d[0]
    report = gan.d_update(batch)
    expected = {"r1": 1.5 * length**2, "r2": 1.5 * length**2, "wgan-gp": 3 * (length - 1) ** 2}
    if batch.noise is not None:
        moved = np.asarray(any_engine.to_numpy(batch.noise), float).reshape(len(batch.noise), -1)
        along = moved @ (slopes[1].astype(float) - slopes[0])
        expected[name] = 1.5 * np.mean(along**2)
    assert float(report["d_loss"]) == pytest.approx(expected[name], rel=1e-9)


def test_r1_of_the_5x5_network_is_that_of_its_margin():
    """Against the slope of the difference of the two logits, taken by hand for each image."""
    losses = {}
    for penalty in ("none", "r1:gamma=4"):
        gan = table(NUMPY64, penalty=penalty, **TWO)
        batch, first = gan.draw.step(0).d[0], gan.arrays()
        losses[penalty] = float(gan.step(0)["d_loss"])

    def margins(images):
        scores, _ = nn.apply(
            gan.gan.discriminator,
            first["discriminator"],
            first["discriminator_buffers"],
            images,
            training=True,
        )
        return ops.sum(scores * np.array([-1.0, 1.0]))

    slopes = ops.grad(margins, batch.real.astype(np.float64))
    expected = 4 / 2 * np.mean(np.sum(slopes**2, axis=(1, 2, 3)))
    assert expected > 1e-6
    assert losses["r1:gamma=4"] - losses["none"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_trains_with_wgan_gp(name):
    network = "dcgan-5x5" if OBJECTIVES[name].logits == 2 else "dcgan"
    for penalty in ("wgan-gp", "wgan-gp:gamma=1+r1"):
        trained_case(objective=name, penalty=penalty, network=network)


# --- order and sharing ------------------------------------------------------------------------


@pytest.mark.parametrize("share", ["latents", "fakes"])
def test_several_updates_of_d_cannot_share_a_batch(share):
    assert refusal(share=share, d_steps=2) == (
        f"--share {share} gives both players the same batch, but with --d-steps 2 each of D's "
        f"updates has one of its own. Take --d-steps 1, or --share nothing."
    )
    assert len(trained_case(share="nothing", d_steps=2).draw.step(0).d) == 2


def test_names_of_order_and_share():
    assert "Known: d-first, g-first." in refusal(order="both")
    assert "Known: fakes, latents, nothing." in refusal(share="all")


# --- optimisers and clipping ------------------------------------------------------------------


def test_optimiser_specs():
    of = build.optimiser("adam:epsilon=1e-7", 3e-4, (0.5, 0.9))
    assert (type(of), of.rate, of.betas, of.epsilon) == (OPTIMIZERS["adam"], 3e-4, (0.5, 0.9), 1e-7)
    assert build.optimiser("rmsprop", 1e-3, (0.0, 0.9)).epsilon == 1e-8
    for spec, said in [
        ("sgd", "Unknown optimiser 'sgd'. Known: adam, rmsprop."),
        ("admm", "Did you mean 'adam'?"),
        ("adam:eps=1", "The optimiser adam has no option 'eps'. Did you mean 'epsilon'?"),
        ("rmsprop:rate=1", "The optimiser rmsprop has no option 'rate'."),
        ("adam:epsilon=small", "Cannot read 'epsilon=small'"),
        ("adam:epsilon=nan", "Cannot read 'epsilon=nan'"),
        ("adam:epsilon=inf", "Cannot read 'epsilon=inf'"),
        ("adam:epsilon=0", "give epsilon a number from 1e-30"),
        ("rmsprop:epsilon=-1e-8", "give epsilon a number from 1e-30"),
    ]:
        with pytest.raises(InputError) as refused:
            build.optimiser(spec, 1e-3, (0.5, 0.9))
        assert said in str(refused.value)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rates_decays_and_epsilon_reach_both_players(name):
    config = Config(optimiser=f"{name}:epsilon=1e-5", lr=3e-3, lr_d=1e-3, betas=(0.1, 0.2))
    gan = build.gan(config, (16, 16, 1), 0)
    for of, rate in ((gan.g_optimizer, 3e-3), (gan.d_optimizer, 1e-3)):
        assert isinstance(of, OPTIMIZERS[name])
        assert (of.rate, of.betas, of.epsilon) == (rate, (0.1, 0.2), 1e-5)


def test_rmsprop_is_not_adam():
    after = [
        trained_case(optimiser=name).arrays()["generator"]["image.conv.weight"]
        for name in ("adam", "rmsprop")
    ]
    assert (after[0] != after[1]).any()


def largest(weights) -> float:
    return max(float(np.abs(ops.to_numpy(w)).max()) for w in weights.values())


@pytest.mark.parametrize("options", [{}, {"order": "g-first"}, {"optimiser": "rmsprop"}])
def test_d_is_clipped_at_the_start_and_after_every_update(options, any_engine32):
    limit = np.float32(0.01)
    gan = table(any_engine32, objective="wgan", clip=0.01, lr=0.1, d_steps=3, **options)
    assert largest(gan.state["discriminator"]) == limit  # scales start near 1
    assert largest(gan.state["generator"]) > 0.5
    for number in range(2):
        for i, batch in enumerate(gan.draw.step(number).d):
            gan.d_update(batch, 3 * number + i + 1)
            assert largest(gan.state["discriminator"]) == limit
    assert gan.step(2) and largest(gan.state["discriminator"]) == limit
    assert largest(gan.state["generator"]) > 0.5


def test_without_clip_weights_are_not_limited():
    assert largest(trained_case(objective="wgan", lr=0.1).state["discriminator"]) > 0.5


# --- objectives -------------------------------------------------------------------------------


def test_rahinge_by_hand():
    """Means are 1 and -0.5: reals score 2.5 and 0.5 above, fakes -1 and -2."""
    found, real, fake = OBJECTIVES["rahinge"], np.array([2.0, 0.0]), np.array([0.0, -1.0])
    assert found.relativistic
    assert found.d(real, fake) == ((0 + 0.5) / 2 + (0 + 0) / 2) / 2
    assert found.g(real, fake) == ((3.5 + 1.5) / 2 + (2 + 3) / 2) / 2
    far = 100 * np.ones(3)
    assert found.d(far, -far) == 0 and found.g(-far, far) == 0


def test_objective_and_penalty_options_are_finite_numbers():
    for spec in ("non-saturating:real=nan", "non-saturating:fake=inf"):
        with pytest.raises(InputError, match="Cannot read 'real=nan'|Cannot read 'fake=inf'"):
            build.objective(spec, None)
    with pytest.raises(InputError, match="Cannot read 'gamma=-inf'"):
        build.penalties("r1:gamma=-inf", None)
