"""Initial biases, and the effect of width and latent size on every network."""

from __future__ import annotations

import numpy as np
import pytest

from ganbaru import Config, nn, registry
from ganbaru.gan import models
from ganbaru.nn.initializers import INITIALISATIONS


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
