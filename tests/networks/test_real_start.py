"""Every network with every hook and conditioning trains from its own first weights.

Other tests move all weights first, so that those that start at zero have an influence.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers import NUMPY32, TrainingCase, table

from ganbaru import InputError, registry
from ganbaru.gan import models
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.nn.conditioning import CONDITIONINGS
from ganbaru.nn.initializers import INITIALISATIONS

NETWORKS = registry.names("networks")
# A player's norm does not depend on the other's: by default both have it, or none.
HOOKS = [
    *(
        pytest.param(
            {"spectral_norm": players},
            id=players,
            marks=[pytest.mark.extended] * (players in ("d", "g")),
        )
        for players in models.SPECTRAL_NORMS
    ),
    pytest.param({"minibatch_deviation": True}, id="deviation"),
]
EVERYTHING = {"spectral_norm": "both", "minibatch_deviation": True}
CONDITIONED = ["none", *CONDITIONINGS]


def small(engine, network: str, **options) -> TrainingCase:
    objective = next(n for n, o in OBJECTIVES.items() if o.logits == models.logits(network, None))
    sizes = {"width": 2, "latent": 3, "batch": 4}
    return table(engine, network=network, **{"objective": objective, **sizes, **options})


def assert_trains(gan: TrainingCase) -> None:
    """Take three steps; losses, scores, parameters and statistics are finite, weights change."""
    first = gan.arrays()
    for number in range(3):
        assert np.isfinite(list(gan.step(number).values())).all()
    last = gan.arrays()
    for group, arrays in last.items():
        for name, array in arrays.items():
            assert np.isfinite(array).all(), f"{group} {name}"
    for player in ("generator", "discriminator"):
        assert any((last[player][name] != array).any() for name, array in first[player].items())


@pytest.mark.parametrize("hooks", HOOKS)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_hook_and_conditioning_trains(network, hooks):
    """Each conditioning that is allowed, and between them each initialisation."""
    trained = 0
    for conditioning, start in zip(CONDITIONED, itertools.cycle(INITIALISATIONS), strict=False):
        options = {"conditioning": conditioning, "initialisation": start, **hooks}
        try:
            gan = small(NUMPY32, network, **options)
        except InputError:  # this network has no norms, or no single score, for the labels
            continue
        assert_trains(gan)
        trained += 1
    assert trained >= 2


@pytest.mark.parametrize(
    ("network", "start"),
    [
        pytest.param(network, start, marks=[pytest.mark.extended] * ((i + j) % 2))
        for i, network in enumerate(NETWORKS)
        for j, start in enumerate(INITIALISATIONS)
    ],
)
def test_every_initialisation_trains_with_spectral_norm(network, start):
    assert_trains(small(NUMPY32, network, initialisation=start, **EVERYTHING))


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_trains_with_all_hooks_on_other_engines(network, other_engine32):
    assert_trains(small(other_engine32, network, conditioning="planes", **EVERYTHING))


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("network", NETWORKS)
def test_any_width_trains(network, width):
    options = {"width": width, "latent": 1, "batch": 2, "shape": (28, 20, 3)}
    assert_trains(small(NUMPY32, network, **options, **EVERYTHING))
