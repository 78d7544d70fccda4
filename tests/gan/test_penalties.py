"""Penalties against closed forms, differences of their gradient, and the other engines."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from helpers import (
    NUMPY64,
    assert_engines_agree,
    check_gradients,
    normal,
    outcomes,
    table,
)
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from train_helpers import tiny

from ganbaru import Config, nn, ops, registry
from ganbaru.config import from_preset
from ganbaru.errors import InputError
from ganbaru.gan import batch_notes, build, models, step
from ganbaru.gan.penalties import PENALTIES, PenaltyInputs, penalty
from ganbaru.nn import normalization
from ganbaru.nn.initializers import INITIALISATIONS
from ganbaru.presets import PRESETS
from ganbaru.training import setup

REAL, FAKE = normal(3, 2, 4, 4), normal(3, 2, 4, 4, seed=1)
MIX = np.array([0.0, 0.25, 0.9]).reshape(3, 1, 1, 1)
NOISE = normal(1, 2, 4, 4, seed=2)  # for a quarter of three images, rounded up
DRAWN = (REAL, FAKE, MIX, NOISE)


def squares(x: np.ndarray) -> np.ndarray:
    return (x * x).sum(axis=(1, 2, 3))


# Each penalty's value where the score of an image x is a/2 |x|² for reals and b/2 |x|² for fakes,
# so that the slopes are a x and b x.
BOWL = {
    "r1": lambda a, b, gamma: gamma / 2 * np.mean(a * a * squares(REAL)),
    "r2": lambda a, b, gamma: gamma / 2 * np.mean(b * b * squares(FAKE)),
    "wgan-gp": lambda a, b, gamma: (
        gamma * np.mean((a * np.sqrt(squares(MIX * REAL + (1 - MIX) * FAKE)) - 1) ** 2)
    ),
    "fd-r1": lambda a, b, gamma: gamma / 2 * np.mean(a * a * differences(REAL)),
    "fd-r2": lambda a, b, gamma: gamma / 2 * np.mean(b * b * differences(FAKE)),
}


def differences(x: np.ndarray) -> np.ndarray:
    """Return ((|x + 0.01 e|² - |x|²) / 2 / 0.01)² of the first image."""
    return (np.sum(x[:1] * NOISE + NOISE**2 * 0.005, axis=(1, 2, 3))) ** 2


def bowl(steepness: float):
    return lambda x: ops.sum(x * x, axis=(1, 2, 3)) * (steepness / 2)


def test_every_penalty_has_a_closed_form_here():
    ours = {
        n
        for n, found in PENALTIES.items()
        if getattr(found, "d", found).__module__ == "ganbaru.gan.penalties"
    }
    assert BOWL.keys() == ours  # other tests may have registered their own


@pytest.mark.parametrize("name", BOWL)
@given(a=st.floats(0.1, 5), b=st.floats(0.1, 5), gamma=st.floats(0.1, 20))
def test_value_for_a_quadratic_score(name, a, b, gamma):
    """Reals are scored under their labels and fakes under theirs: the two bowls differ."""
    found = PENALTIES[name](PenaltyInputs(bowl(a), bowl(b), *DRAWN), gamma=gamma)
    assert_allclose(found, BOWL[name](a, b, gamma), rtol=1e-9)


@pytest.mark.parametrize("patches", [(1,), (9,), (2, 3)])
@pytest.mark.parametrize("name", BOWL)
def test_scores_of_patches_count_by_their_mean(name, patches):
    """The scores of P patches have the slope of their mean, whatever P."""
    weights = 1 + np.arange(np.prod(patches)).reshape(1, *patches) / 7

    def score(x):
        return ops.reshape(bowl(1.5)(x), (-1, *(1 for _ in patches))) * weights

    found = PENALTIES[name](PenaltyInputs(score, score, *DRAWN), gamma=4.0)
    steep = 1.5 * weights.mean()
    assert_allclose(found, BOWL[name](steep, steep, 4.0), rtol=1e-9)


@pytest.mark.parametrize("name", BOWL)
def test_gamma_is_ten_by_default(name, any_engine):
    tensors = [any_engine.from_numpy(array) for array in DRAWN]
    found = PENALTIES[name](PenaltyInputs(bowl(1.0), bowl(1.0), *tensors))
    assert_allclose(any_engine.to_numpy(found), BOWL[name](1.0, 1.0, 10.0), rtol=1e-9)


@pytest.mark.parametrize("name", BOWL)
def test_a_flat_discriminator_has_a_finite_gradient(name, any_engine32):
    """The square root in WGAN-GP has an infinite slope at 0, where an untrained D may well be."""

    def function(w):
        score = lambda x: ops.sum(x * w, axis=(1, 2, 3))  # noqa: E731
        return PENALTIES[name](PenaltyInputs(score, score, *tensors))

    tensors = [any_engine32.from_numpy(array) for array in DRAWN]
    value, slopes = outcomes(any_engine32, function, [np.zeros((1, 2, 4, 4))], orders=1)
    assert_allclose(value, 10.0 if name == "wgan-gp" else 0.0, rtol=1e-5)
    assert np.isfinite(slopes).all()


def _discriminator(scope: nn.Scope, x: ops.Tensor) -> ops.Tensor:
    """A smooth one with everything in it: convolution, batch norm, tanh, softplus, dense."""
    x = ops.tanh(nn.conv(scope.child("down1"), x, 3, (3, 3), stride=2, padding=1))
    x = normalization.batch_norm(
        scope.child("norm"), nn.conv(scope.child("down2"), x, 2, (2, 2), padding=1)
    )
    return ops.reshape(
        nn.dense(scope.child("score"), ops.reshape(ops.softplus(x), (x.shape[0], -1)), 1), (-1,)
    )


PARAMETERS = {
    "down1.weight": normal(3, 2, 3, 3),
    "norm.weight": normal(2, seed=2),
    "norm.bias": normal(2, seed=3),
    "down2.weight": normal(2, 3, 2, 2),
    "score.weight": normal(1, 18),
    "score.bias": normal(1),
}


def _penalised(name: str):
    """Return a penalty as a function of the small discriminator's parameters and the images."""

    def function(*tensors):
        parameters = dict(zip(PARAMETERS, tensors, strict=False))
        real, fake, mix, noise = tensors[len(PARAMETERS) :]
        zeros = ops.stop_gradient(parameters["norm.bias"]) * 0.0
        buffers = {"norm.running_mean": zeros, "norm.running_var": zeros + 1.0}

        def score(x):
            return nn.apply(_discriminator, parameters, buffers, x, training=True)[0]

        doubled = lambda x: score(x) * 2.0  # noqa: E731
        return PENALTIES[name](PenaltyInputs(score, doubled, real, fake, mix, noise))

    return function, *PARAMETERS.values(), *DRAWN


@pytest.mark.parametrize("name", PENALTIES)
def test_gradient_of_the_gradient_equals_differences(name):
    """The gradient of a penalty in D's parameters and in the images differentiates a gradient."""
    check_gradients(*_penalised(name), orders=1, tolerance=1e-6, each=False)


@pytest.mark.parametrize("name", PENALTIES)
def test_engines_agree_in_float64(name, other_engine):
    # Not to the third order: PyTorch's batch norm is wrong there (it holds the batch's mean and
    # deviation fixed in its second gradient's gradient), and nothing needs it.
    assert_engines_agree(other_engine, *_penalised(name), relative=1e-9, orders=1)


@pytest.mark.parametrize("name", PENALTIES)
def test_engines_agree_in_float32(name, any_engine32):
    # A difference of two scores is divided by 0.01.
    relative = 1e-2 if name.startswith("fd-") else 1e-4
    assert_engines_agree(any_engine32, *_penalised(name), relative=relative, orders=1)


@pytest.mark.parametrize("name", PENALTIES)
def test_every_weight_has_a_gradient_of_the_penalty(name):
    function, *arrays = _penalised(name)
    _, slopes = outcomes(NUMPY64, function, arrays, orders=1)
    weights = PARAMETERS["down1.weight"].size
    assert (slopes[:weights] != 0).all()


# --- finite differences -----------------------------------------------------------------------

FINITE = {"fd-r1": "r1", "fd-r2": "r2"}
APART = {"norm": "none", "penalty": "fd-r1+fd-r2"}  # D without batch statistics


@pytest.mark.parametrize("name", FINITE)
def test_a_finite_difference_has_the_mean_of_the_exact_penalty(name):
    """Over 4,000 draws of the noise, whose estimates each have twice their mean as deviation²."""
    same = [np.repeat(x[:1], 4000, axis=0) for x in (REAL, FAKE)]
    noise = normal(4000, 2, 4, 4, seed=5)
    inputs = PenaltyInputs(bowl(1.3), bowl(0.7), *same, MIX, noise)
    exact = PENALTIES[FINITE[name]](inputs)
    assert_allclose(PENALTIES[name](inputs, part=1.0), exact, rtol=5 * (2 / 4000) ** 0.5)


@pytest.mark.parametrize("part, count", [(0.25, 2), (0.3, 3), (0.01, 1), (1.0, 8)])
def test_noise_is_drawn_for_the_largest_part_and_each_penalty_uses_its_own(part, count):
    gan = table(NUMPY64, norm="none", penalty=f"fd-r1:part={part}+fd-r2:part=0.01,gamma=0")
    batch = gan.draw.step(0).d[0]
    assert batch.noise.shape == (count, 1, 16, 16)
    assert (gan.draw.step(1).d[0].noise != batch.noise).any()
    assert gan.draw.step(0).g.noise is None
    seen = []
    spied = dataclasses.replace(
        gan.gan, discriminator=lambda scope, x: (seen.append(len(x)), ops.sum(x, axis=(1, 2, 3)))[1]
    )
    inputs = step._penalty_inputs(
        spied, {}, ({}, {}), batch._replace(fake=batch.real), (None, None)
    )
    PENALTIES["fd-r1"](inputs, part=part)
    assert seen == [count, count]


def test_known_scores_are_used_unless_they_are_rounded():
    """With --precision known to be full, D(x) is that of the update itself: to the last bits."""
    losses = []
    for precision in ("float64", "auto"):
        for options in ({}, {"spectral_norm": "d"}, {"conditioning": "planes"}):
            gan = table(NUMPY64, precision=precision, **APART, **options)
            assert gan.gan.exact_scores == (precision == "float64")
            losses.append(float(gan.step(0)["d_loss"]))
    assert_allclose(losses[:3], losses[3:], rtol=1e-9)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"norm": "auto"}, "--norm layer"),
        ({"norm": "batch"}, "--norm layer"),
        ({"minibatch_deviation": True}, "--minibatch-deviation"),
        ({"penalty": "fd-r1:part=0"}, "part="),
        ({"penalty": "r1+fd-r2:part=1.5"}, "part="),
        ({"penalty": "fd-r1:part=-1"}, "part="),
    ],
)
def test_finite_differences_of_a_batch_or_of_no_part_are_refused(options, said):
    with pytest.raises(InputError, match=said):
        table(NUMPY64, **{**APART, **options})


def test_a_penalty_with_five_arguments_is_refused_with_the_signature_it_needs():
    with pytest.raises(InputError, match=r"5 arguments.*older\(inputs, \*, .*inputs\.score_real"):

        @penalty
        def older(score_real, score_fake, real, fake, mix, *, gamma=1.0):
            return 0.0

    assert "older" not in PENALTIES


# --- scores that depend on the batch ----------------------------------------------------------

NETWORKS = registry.names("networks")
BY_BATCH = {"dcgan", "dcgan-5x5", "dcgan-filtered", "dcgan-linear", "dcgan-mlp", "sagan"}


def _share_of_slopes(config: Config, classes: int) -> float:
    """Return the squared slopes of the scores' sum over those of each image's score by itself."""
    _, (_, network, shapes) = models.players(config, (16, 16, 1), classes, count=3)
    first = nn.initialise(network, *shapes, seed=1, initialisation=MOVED)
    x, labels = normal(*shapes[0]), [np.arange(3)] * bool(classes)

    def score(x):
        scores = nn.apply(network, *first, x, *labels, training=True)[0]
        return ops.mean(ops.reshape(scores, (3, -1)), axis=1)

    whole = ops.grad(lambda x: ops.sum(score(x)), x)
    one = [ops.grad(lambda x, i=i: ops.sum(score(x) * np.eye(3)[i]), x)[i] for i in range(3)]
    return float(squares(whole).sum() / squares(np.array(one)).sum())


MOVED = dataclasses.replace(INITIALISATIONS["he"], zero=INITIALISATIONS["he"].weight)


@pytest.mark.parametrize("norm", ["auto", *normalization.NORMS])
@pytest.mark.parametrize("network", NETWORKS)
def test_scores_that_depend_on_the_batch_are_found(network, norm):
    """Exactly those whose penalty is not that of each image's own slope."""
    classes = 3 * (network != "dcgan-5x5")
    conditioning = "projection" if classes else "none"
    config = Config(network=network, norm=norm, width=4, latent=3, conditioning=conditioning)
    try:
        found = models.depends_on_batch(config, (16, 16, 1), classes)
    except InputError:  # no place for the norm
        return
    assert found == (norm == "batch" or (norm == "auto" and network in BY_BATCH))
    assert found == (abs(_share_of_slopes(config, classes) - 1) > 1e-3)


def _notes(**options) -> list[str]:
    config = Config(**{"width": 4, "latent": 3, "penalty": "r1", **options})
    return batch_notes.notes(config, (16, 16, 1), 0)


def test_a_penalty_on_scores_of_a_batch_has_one_note_whose_advice_helps():
    (note,) = _notes()
    assert "--penalty r1" in note
    assert all(name in note and not _notes(network=name) for name in build.BY_IMAGE)
    assert all(f"{name}" in note and not _notes(norm=name) for name in ("layer", "none"))
    assert not _notes(penalty="none")
    assert _notes(minibatch_deviation=True, network="wgan") == []


def test_a_users_network_with_its_own_batch_statistics_has_the_note(tmp_path, monkeypatch):
    source = """
from ganbaru import nn, ops
from ganbaru.networks.dcgan import generator
def discriminator(scope, image, *, image_size, channels, base_channels):
    x = ops.reshape(image - {what}, (image.shape[0], -1))
    return nn.scores(scope, ops.tanh(nn.dense(scope.child("hidden"), x, 4)), nn.dense)
"""
    monkeypatch.syspath_prepend(tmp_path)
    for name, what in {"centred": "ops.mean(image, axis=0)", "plain": "0.5"}.items():
        (tmp_path / f"{name}_critic.py").write_text(source.format(what=what))
        assert len(_notes(network=f"{name}_critic")) == (name == "centred")


@pytest.mark.parametrize("name", PRESETS)
def test_no_preset_has_the_note(name):
    config = from_preset(name, width=2, latent=2)
    assert batch_notes.notes(config, (32, 32, 3), 10 * (config.conditioning != "none")) == []


def test_the_note_is_part_of_the_run(tmp_path):
    plain, penalised = (
        setup.build(tiny(tmp_path, run=tmp_path / penalty, penalty=penalty)).notes
        for penalty in ("none", "r1")
    )
    assert len(penalised) == len(plain) + 1
