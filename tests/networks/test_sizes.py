"""Initial biases, and the effect of width and latent size on every network."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ganbaru import Config, nn, ops, registry
from ganbaru.gan import models
from ganbaru.nn import initializers
from ganbaru.nn.initializers import INITIALISATIONS, Fans


def test_pytorch_initialisation_draws_biases_around_zero():
    config = Config(network="dcgan-5x5", width=64)
    generator, _ = models.networks(config, (28, 28, 3), 0)
    made, _ = nn.initialise(generator, (2, 100), seed=0, initialisation=INITIALISATIONS["pytorch"])
    bias, limit = made["up1.conv.bias"], (64 * 25) ** -0.5
    assert bias.shape == (64,) and np.abs(bias).max() <= limit
    assert bias.min() < -0.8 * limit and bias.max() > 0.8 * limit
    assert abs(bias.mean()) < 4 * limit / (3 * 64) ** 0.5


@pytest.mark.parametrize("network", registry.names("networks"))
def test_width_and_latent_change_every_network(network):
    counts = {}
    for width, latent in ((8, 16), (16, 16), (8, 32)):
        config = Config(network=network, width=width, latent=latent)
        made = models.initial_parameters(config, (16, 16, 3), 0)
        counts[width, latent] = [nn.parameter_count(made[p]) for p in
                                 ("generator", "discriminator")]  # fmt: skip
    first, wide, long = counts.values()
    assert wide[0] > 1.5 * first[0] and wide[1] > 1.5 * first[1]
    assert long[0] > first[0] and long[1] == first[1]


# --- scales of first weights ------------------------------------------------------------------

LAYERS = {
    "dense": (lambda scope, x: nn.dense(scope, ops.reshape(x, (8, -1)), 400), 1),
    "conv 3x3": (lambda scope, x: nn.conv(scope, x, 60, (3, 3)), 4),
    "conv 4x4, stride 2": (lambda scope, x: nn.conv(scope, x, 60, (4, 4), 2, 1), 1),
    "conv in groups": (lambda scope, x: nn.conv(scope, x, 60, (1, 1), groups=4), 4),
    "up_conv 4x4, stride 2": (lambda scope, x: nn.up_conv(scope, x, 60, (4, 4), 2, 1), 2),
    "up_conv 5x5, stride 2": (lambda scope, x: nn.up_conv(scope, x, 60, (5, 5), 2, 2, False, 1), 2),
    "up_conv 3x3, stride 1": (lambda scope, x: nn.up_conv(scope, x, 60, (3, 3), 1, 1), 2),
    "up_conv of one position": (lambda scope, x: nn.up_conv(scope, x, 60, (4, 4)), 0),
}


@pytest.mark.parametrize("gain", [("lecun", 1.0), ("he", 2.0)])
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_keeps_the_scale_of_its_input(layer, gain):
    """The mean square of its output is gain times the input's, transposed or not."""
    function, where = LAYERS[layer]
    side = 12 if where else 1
    start = INITIALISATIONS[gain[0]]
    x = np.random.default_rng(0).standard_normal((8, 48, side, side))
    first = nn.initialise(function, x.shape, seed=0, initialisation=start)
    y, _ = nn.apply(function, *first, x, training=True)
    inner = y if y.ndim == 2 or not where else y[..., where:-where, where:-where]
    assert (inner**2).mean() == pytest.approx(gain[1], rel=0.15)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (8, 2, 2, 3), (30, 2, 2, 3), (5, 5)])
def test_orthogonal_weights_are_orthonormal(shape):
    """Rows or columns of (first axis, others), the fewer; of either sign; scaled by the gain."""
    draw = np.random.default_rng(1).standard_normal(shape)
    found = initializers.orthogonal(draw, Fans(1, 1, 1, gain=3.0))
    matrix = found.reshape(len(found), -1) / 3
    fewer = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    assert_allclose(fewer, np.eye(len(fewer)), atol=1e-12)
    assert np.abs(found - initializers.orthogonal(draw * 7, Fans(1, 1, 1, gain=3.0))).max() < 1e-12
    theirs = initializers.orthogonal(-draw, Fans(1, 1, 1, gain=3.0))
    assert_allclose(theirs, -found, atol=1e-12)  # uniform: no sign is preferred


@pytest.mark.parametrize("network", registry.names("networks"))
def test_first_scores_of_a_network_by_its_own_start_differ_between_images(network):
    """By N(0, 0.02), those of r3gan differed by 1e-5, of sndcgan by 1e-4, of wgan by 5e-3."""
    config = Config(network=network, width=32)
    _, (_, discriminator, shapes) = models.players(config, (32, 32, 3), 0, count=16)
    start = models.initialisation(config)
    first = nn.initialise(discriminator, *shapes, seed=0, initialisation=start)
    images = np.random.default_rng(1).uniform(-1, 1, shapes[0]).astype(np.float32)
    scores, _ = nn.apply(discriminator, *first, images, training=True)
    assert 0.02 < np.reshape(scores, (16, -1)).std(axis=0).mean() < 3


def test_a_flag_replaces_a_networks_own_start():
    made = {
        name: models.initial_parameters(
            Config(network="wgan", width=4, latent=3, initialisation=name), (16, 16, 1), 0
        )["discriminator"]["down1.conv.weight"]
        for name in ("auto", "he", "dcgan")
    }
    assert_array_equal(made["auto"], made["he"])
    assert made["auto"].std() > 5 * made["dcgan"].std()
