"""From a configuration to the networks it names, wrapped as it asks, and their first weights."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ganbaru import nn, registry
from ganbaru.config import Config
from ganbaru.engines import Engine
from ganbaru.errors import pick
from ganbaru.nn import Network
from ganbaru.nn.conditioning import CONDITIONINGS
from ganbaru.nn.initializers import INITIALISATIONS
from ganbaru.nn.normalization import spectral, watching_deviation
from ganbaru.ops import Parameters, Tensor

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
    wrap = pick("choice of --spectral-norm", config.spectral_norm, SPECTRAL_NORMS)
    generator, discriminator = wrap(generator, discriminator)
    if config.minibatch_deviation:
        discriminator = watching_deviation(discriminator)
    if not classes:
        return generator, discriminator
    way = pick("conditioning", config.conditioning, CONDITIONINGS, "none")
    return way.generator(generator, classes), way.discriminator(discriminator, classes)


@functools.lru_cache(maxsize=16)
def inference(engine: Engine, network: Network) -> Callable[..., Tensor]:
    """Return ``run(parameters, buffers, *inputs)``: a network in inference mode, compiled.

    Kept, since some engines take seconds to compile and a run draws its grids again and again.
    """

    def run(parameters: Parameters, buffers: Parameters, *inputs: Tensor) -> Tensor:
        return nn.apply(network, parameters, buffers, *inputs, training=False)[0]

    return engine.compile(run)


def logits(network: str) -> int:
    """Return how many logits a network's discriminator gives for an image, or for a patch of it."""
    return int(vars(registry.module("networks", network)).get("LOGITS", 1))


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


def initial_parameters(config: Config, shape: Shape, classes: int) -> dict[str, dict[str, Any]]:
    """Create both players' initial parameters and buffers, in NumPy."""
    start = pick("initialisation", config.initialisation, INITIALISATIONS)
    made: dict[str, dict[str, Any]] = {}
    for player, network, shapes in _players(config, shape, classes):
        made[player], made[f"{player}_buffers"] = nn.initialise(
            network, *shapes, seed=config.seed, initialisation=start, prefix=f"{player}."
        )
    return made


def zero_parameters(config: Config, shape: Shape, classes: int) -> dict[str, dict[str, Any]]:
    """Return both players' parameters and buffers as zeros: names and shapes, found by tracing.

    Drawing initial values takes 0.5 s for a DCGAN of 64x64 images and width 64; this takes 2 ms.
    """
    made: dict[str, dict[str, Any]] = {}
    for player, network, shapes in _players(config, shape, classes):
        parameters: dict[str, tuple[int, ...]] = {}
        buffers: dict[str, tuple[int, ...]] = {}
        nn.trace(
            network,
            *shapes,
            parameter=lambda name, shape, *_, into=parameters: into.update({name: shape}),
            buffer=lambda name, shape, *_, into=buffers: into.update({name: shape}),
        )
        for group, found in ((player, parameters), (f"{player}_buffers", buffers)):
            made[group] = {name: np.zeros(shape, np.float32) for name, shape in found.items()}
    return made


def _players(config: Config, shape: Shape, classes: int) -> Iterator[tuple[str, Network, list]]:
    """Yield the name, the network and the input shapes of G and D."""
    yield from zip(
        ("generator", "discriminator"),
        networks(config, shape, classes),
        input_shapes(config, shape, classes),
        strict=True,
    )
