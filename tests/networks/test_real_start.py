"""Every network with every norm, hook, conditioning, penalty and start trains from its own start.

Other tests move all weights first, so that those that start at zero have an influence. By default
games are played until every pair of choices was in one; all hooks with all conditionings are
extended.
"""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
from helpers import NUMPY32, TrainingCase, table

from ganbaru import InputError, nn, registry
from ganbaru.config import Config
from ganbaru.gan import models
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.gan.penalties import PENALTIES
from ganbaru.nn.conditioning import CONDITIONINGS
from ganbaru.nn.initializers import INITIALISATIONS
from ganbaru.nn.normalization import NORMS

NETWORKS = registry.names("networks")
HOOKS: list[dict[str, Any]] = [
    *({"spectral_norm": players} for players in models.SPECTRAL_NORMS),
    {"minibatch_deviation": True},
]
EVERYTHING = {"spectral_norm": "both", "minibatch_deviation": True}
CHOICES: dict[str, list[Any]] = {
    "network": NETWORKS,
    "norm": ["auto", *NORMS],
    "conditioning": ["none", *CONDITIONINGS],
    "penalty": ["none", "r1", "r2", "wgan-gp", "fd-r1", "fd-r2"],
    "initialisation": ["auto", *INITIALISATIONS],
    "spectral_norm": [*models.SPECTRAL_NORMS],
    "minibatch_deviation": [False, True],
}


def small(engine, network: str, **options) -> TrainingCase:
    """Return a tiny game, by hinge if D has one score: no start is so far off that G stands still.

    The residual networks sum features, so that scores of random weights may all be 30 and more.
    """
    logits = models.logits(network, None)
    fitting = [name for name, found in OBJECTIVES.items() if found.logits == logits]
    objective = "hinge" if "hinge" in fitting else fitting[0]
    sizes = {"width": 2, "latent": 3, "batch": 4}
    return table(engine, network=network, **{"objective": objective, **sizes, **options})


def assert_trains(gan: TrainingCase, steps: int = 3) -> None:
    """Take steps; losses, scores, parameters and statistics are finite, weights change."""
    first = gan.arrays()
    for number in range(steps):
        assert np.isfinite(list(gan.step(number).values())).all()
    last = gan.arrays()
    for group, arrays in last.items():
        for name, array in arrays.items():
            assert np.isfinite(array).all(), f"{group} {name}"
    for player in ("generator", "discriminator"):
        assert any((last[player][name] != array).any() for name, array in first[player].items())


BY_BATCH = {
    "dcgan",
    "dcgan-5x5",
    "dcgan-filtered",
    "dcgan-linear",
    "dcgan-mlp",
    "sagan",
}  # by their own norm


def fits(
    network: str,
    norm: str,
    conditioning: str,
    penalty: str = "none",
    minibatch_deviation: bool = False,
    **others,
) -> bool:
    """Return whether a network has the place for a norm and a label, and scores for a penalty."""
    by_batch = norm == "batch" or (norm == "auto" and network in BY_BATCH)
    if penalty.startswith("fd-") and (by_batch or minibatch_deviation):
        return False
    if norm not in ("auto", "none") and network in ("resnet", "r3gan"):
        return False
    if network == "dcgan-mlp" and norm == "instance":  # features without positions
        return False
    if network == "r3gan" and conditioning == "class-norm":
        return False
    return models.logits(network, None) == 1 or conditioning in ("none", "planes")


def _pairs(case: dict[str, Any]) -> set[tuple]:
    return set(itertools.combinations(case.items(), 2))


def _covering() -> list[dict[str, Any]]:
    """Return cases in which every allowed pair of choices is, chosen greedily."""
    draw = random.Random(0)
    left = {
        pair
        for (a, of_a), (b, of_b) in itertools.combinations(CHOICES.items(), 2)
        for pair in itertools.product([(a, x) for x in of_a], [(b, y) for y in of_b])
    }
    cases = []
    for pair in sorted(left, key=repr):
        if pair not in left:
            continue
        tries = (
            {name: draw.choice(values) for name, values in CHOICES.items()} | dict(pair)
            for _ in range(40)
        )
        fitting = [case for case in tries if fits(**case)]
        if fitting:
            cases.append(max(fitting, key=lambda case: len(_pairs(case) & left)))
            left -= _pairs(cases[-1])
    return cases


CASES = _covering()


@pytest.mark.parametrize("network", NETWORKS)
def test_every_pair_of_choices_trains(network):
    played = [case for case in CASES if case["network"] == network]
    assert len(played) >= len(CHOICES["initialisation"])
    for case in played:
        assert_trains(small(NUMPY32, **case), steps=2)


@pytest.mark.parametrize("network", NETWORKS)
def test_what_a_network_has_no_place_for_is_refused(network):
    for norm, conditioning in itertools.product(CHOICES["norm"], CHOICES["conditioning"]):
        config = Config(network=network, norm=norm, conditioning=conditioning, width=2, latent=3)
        classes = 0 if conditioning == "none" else 3
        try:
            for _, player, shapes in models.players(config, (16, 16, 1), classes):
                nn.trace(player, *shapes)
            allowed = True
        except InputError:
            allowed = False
        assert allowed == fits(network, norm, conditioning), (norm, conditioning)


@pytest.mark.extended
@pytest.mark.parametrize("hooks", HOOKS, ids=str)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_hook_and_conditioning_trains(network, hooks):
    """Each conditioning that is allowed, and between them each initialisation."""
    starts = itertools.cycle(INITIALISATIONS)
    for conditioning, start in zip(CHOICES["conditioning"], starts, strict=False):
        if fits(network, "auto", conditioning):
            options = {"conditioning": conditioning, "initialisation": start, **hooks}
            assert_trains(small(NUMPY32, network, **options))


def test_every_penalty_is_played():
    ours = {n for n, of in PENALTIES.items() if of.__module__ == "ganbaru.gan.penalties"}
    assert {*CHOICES["penalty"]} == {"none", *ours}  # other tests may have registered their own


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_trains_with_all_hooks_on_other_engines(network, other_engine32):
    assert_trains(small(other_engine32, network, conditioning="planes", **EVERYTHING))


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("network", NETWORKS)
def test_any_width_trains(network, width):
    options = {"width": width, "latent": 1, "batch": 2, "shape": (28, 20, 3)}
    assert_trains(small(NUMPY32, network, **options, **EVERYTHING))
