"""From a configuration to the networks it names, and from a run to its trained generator."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ganbaru import nn, registry
from ganbaru.conditioning import CONDITIONINGS
from ganbaru.config import Config
from ganbaru.errors import InputError, unknown
from ganbaru.initial import INITIALISATIONS
from ganbaru.nn import Network
from ganbaru.norms import spectral, watching_deviation
from ganbaru.objectives import OBJECTIVES, Objective
from ganbaru.optim import Adam
from ganbaru.penalties import PENALTIES, Penalty
from ganbaru.step import Game

Shape = tuple[int, int, int]  # height, width, channels of the images


def class_names(config: Config, classes: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the labels that the networks take: none for an unconditional run."""
    return () if config.conditioning == "none" else tuple(classes)


def networks(config: Config, shape: Shape, classes: int) -> tuple[Network, Network]:
    """Return the generator and the discriminator, with their options bound and habits wrapped.

    Both take labels as another input if there are `classes`.
    """
    module = registry.module("networks", config.network)
    options = {"image_size": shape[:2], "channels": shape[2], "width": config.width}
    generator: Network = functools.partial(module.generator, **options)
    discriminator: Network = functools.partial(module.discriminator, **options)
    if config.spectral_norm not in SPECTRAL_NORMS:
        raise unknown("choice of --spectral-norm", config.spectral_norm, SPECTRAL_NORMS)
    generator, discriminator = SPECTRAL_NORMS[config.spectral_norm](generator, discriminator)
    if config.minibatch_deviation:
        discriminator = watching_deviation(discriminator)
    if not classes:
        return generator, discriminator
    if config.conditioning not in CONDITIONINGS:
        raise unknown("conditioning", config.conditioning, ["none", *CONDITIONINGS])
    way = CONDITIONINGS[config.conditioning]
    return way.generator(generator, classes), way.discriminator(discriminator, classes)


# Which player's weights are divided by their spectral norm.
SPECTRAL_NORMS: dict[str, Callable[[Network, Network], tuple[Network, Network]]] = {
    "none": lambda generator, discriminator: (generator, discriminator),
    "d": lambda generator, discriminator: (generator, spectral(discriminator)),
    "g": lambda generator, discriminator: (spectral(generator), discriminator),
    "both": lambda generator, discriminator: (spectral(generator), spectral(discriminator)),
}


def input_shapes(config: Config, shape: Shape, classes: int, count: int = 2) -> tuple[list, list]:
    """Return the shapes of what G and D are given: latents or images, and labels."""
    height, width, channels = shape
    labels = [(count,)] if classes else []
    return [(count, config.latent), *labels], [(count, channels, height, width), *labels]


def first_parameters(config: Config, shape: Shape, classes: int) -> dict[str, dict[str, Any]]:
    """Create both players' parameters and buffers as they start, in NumPy."""
    if config.initialisation not in INITIALISATIONS:
        raise unknown("initialisation", config.initialisation, INITIALISATIONS)
    start = INITIALISATIONS[config.initialisation]
    made: dict[str, dict[str, Any]] = {}
    players = zip(
        ("generator", "discriminator"),
        networks(config, shape, classes),
        input_shapes(config, shape, classes),
        strict=True,
    )
    for player, network, shapes in players:
        made[player], made[f"{player}_buffers"] = nn.initialise(
            network, *shapes, seed=config.seed, initialisation=start, prefix=f"{player}."
        )
    return made


def objective(spec: str) -> tuple[Objective, dict[str, float]]:
    """Find the objective of ``name:key=value,...``, or a user's own by dotted path."""
    name, options = registry.parse_options(spec)
    if "." in name:
        chosen = registry.user_object(name)
        if not isinstance(chosen, Objective):
            raise InputError(
                f"{name} is no objective: decorate its class with @ganbaru.objective()."
            )
    elif name not in OBJECTIVES:
        raise unknown("objective", name, OBJECTIVES)
    else:
        chosen = OBJECTIVES[name]
    for loss in (chosen.d, chosen.g):
        registry.check_options("objective", name, loss, options)
    return chosen, options


def penalties(spec: str) -> Sequence[Penalty]:
    """Find the penalties of ``name:gamma=value+name+...``; "none" is none."""
    if spec == "none":
        return ()
    chosen = []
    for part in spec.split("+"):
        name, options = registry.parse_options(part)
        if "." in name:
            function: Any = registry.user_object(name)
        elif name not in PENALTIES:
            raise unknown("penalty", name, [*PENALTIES, "none"])
        else:
            function = PENALTIES[name]
        registry.check_options("penalty", name, function, options)
        chosen.append(functools.partial(function, **options))
    return tuple(chosen)


def game(config: Config, shape: Shape, classes: int) -> Game:
    """Build what a run plays."""
    generator, discriminator = networks(config, shape, classes)
    chosen, options = objective(config.objective)
    g_rate, d_rate = config.rates
    return Game(
        generator=generator,
        discriminator=discriminator,
        d_loss=functools.partial(chosen.d, **options),
        g_loss=functools.partial(chosen.g, **options),
        relativistic=chosen.relativistic,
        penalties=penalties(config.penalty),
        d_optimiser=Adam(d_rate, config.betas),
        g_optimiser=Adam(g_rate, config.betas),
        ema=config.ema,
    )
