"""Networks of a configuration: wrapped by its options, their inputs' shapes and first weights."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ganbaru import nn, randomness, registry
from ganbaru.config import Config
from ganbaru.engines import Engine
from ganbaru.errors import InputError, pick
from ganbaru.nn import Network
from ganbaru.nn.conditioning import CONDITIONINGS
from ganbaru.nn.initializers import INITIALISATIONS, Initialisation
from ganbaru.nn.normalization import with_minibatch_deviation, with_norm, with_spectral_norm
from ganbaru.ops import Parameters, Tensor
from ganbaru.registry import Trust

Shape = tuple[int, int, int]  # height, width, channels of the images
TensorShapes = dict[str, dict[str, tuple[int, ...]]]  # by group and name


def class_names(config: Config, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the labels that the networks take: none for an unconditional run."""
    return tuple(names)[: class_count(config, len(names))]


def class_count(config: Config, classes: int) -> int:
    """Return how many of the data's classes the networks take: 0 for an unconditional run."""
    return 0 if config.conditioning == "none" else classes


def networks(config: Config, shape: Shape, num_classes: int) -> tuple[Network, Network]:
    """Return the generator and the discriminator, with their sizes bound and hooks set.

    Both take labels as a second input unless `num_classes` is 0.
    """
    generator, discriminator = (
        _sized(config, player, shape) for player in ("generator", "discriminator")
    )
    if config.norm != "auto":
        discriminator = with_norm(discriminator, config.norm)
    wrap = pick("choice of --spectral-norm", config.spectral_norm, SPECTRAL_NORMS)
    generator, discriminator = wrap(generator, discriminator)
    if config.minibatch_deviation:
        discriminator = with_minibatch_deviation(discriminator)
    if not num_classes:
        return generator, discriminator
    way = pick("conditioning", config.conditioning, CONDITIONINGS, "none")
    return way.generator(generator, num_classes), way.discriminator(discriminator, num_classes)


def _sized(config: Config, player: str, shape: Shape) -> Network:
    """Return a network of the registry, or a user's own, with its sizes bound."""
    found = registry.module("networks", config.network, config.trust)
    function: Network = getattr(found, player)
    sizes = {"image_size": shape[:2], "channels": shape[2], "base_channels": config.width}
    try:
        inspect.signature(function).bind(None, None, **sizes)
    except TypeError as error:
        raise InputError(
            f"The {player} of the network {config.network} does not take its sizes: {error}. Write "
            f"{player}(scope, x, *, {', '.join(sizes)}); base_channels was called width before."
        ) from error
    return functools.partial(function, **sizes)


@functools.lru_cache(maxsize=16)
def inference(engine: Engine, network: Network) -> Callable[..., Tensor]:
    """Return ``run(parameters, buffers, *inputs)``: a network in inference mode, compiled.

    Cached, since some engines take seconds to compile and a run draws its grids repeatedly.
    """

    def run(parameters: Parameters, buffers: Parameters, *inputs: Tensor) -> Tensor:
        return nn.apply(network, parameters, buffers, *inputs, training=False)[0]

    return engine.compile(run)


@functools.lru_cache(maxsize=16)
def batch_mode(engine: Engine, network: Network) -> Callable[..., Tensor]:
    """Return ``run(parameters, buffers, *inputs)``: a network with its batch's own statistics.

    As in training, but the running statistics that a pass returns are dropped.
    """

    def run(parameters: Parameters, buffers: Parameters, *inputs: Tensor) -> Tensor:
        return nn.apply(network, parameters, buffers, *inputs, training=True)[0]

    return engine.compile(run)


def logits(network: str, trust: Trust | None) -> int:
    """Return how many logits a network's discriminator gives for an image, or for a patch of it."""
    return int(getattr(registry.module("networks", network, trust), "LOGITS", 1))


def initialisation(config: Config) -> Initialisation:
    """Return a configuration's first values: those it names, or its network's own."""
    name = config.initialisation
    if name == "auto":
        found = registry.module("networks", config.network, config.trust)
        name = getattr(found, "INITIALISATION", "dcgan")
    return pick("initialisation", name, INITIALISATIONS, "auto")


def depends_on_batch(
    config: Config, shape: Shape, num_classes: int, player: str = "discriminator"
) -> bool:
    """Return whether D's training pass gives an image a score that depends on its neighbours.

    Or G's pass an image that depends on the other latents.

    By experiment, since a network of the user's own may do that in any way: one of two images is
    replaced and the other's score compared. Weights are random everywhere: those that start at zero
    would hide what is behind them. The minibatch deviation, whose part is meant, is left out.
    """
    config = dataclasses.replace(config, minibatch_deviation=False)
    each = players(config, shape, num_classes)
    network, shapes = next((network, shapes) for name, network, shapes in each if name == player)
    start = dataclasses.replace(INITIALISATIONS["he"], zero=INITIALISATIONS["he"].weight)
    first = nn.initialise(network, *shapes, seed=0, initialisation=start)
    draws = randomness.normal(0, "weights", 0, 3 * math.prod(shapes[0][1:]))
    common, *others = np.float32(draws.reshape(3, *shapes[0][1:]))
    labels = [np.zeros(2, np.int64)] * bool(num_classes)
    pairs = (np.stack([common, other]) for other in others)
    with np.errstate(all="ignore"):
        one, other = (nn.apply(network, *first, x, *labels, training=True)[0][0] for x in pairs)
    return not np.allclose(one, other, rtol=1e-4, atol=0, equal_nan=True)


# Which network's weights are divided by their spectral norm.
SPECTRAL_NORMS: dict[str, Callable[[Network, Network], tuple[Network, Network]]] = {
    "none": lambda g, d: (g, d),
    "d": lambda g, d: (g, with_spectral_norm(d)),
    "g": lambda g, d: (with_spectral_norm(g), d),
    "both": lambda g, d: (with_spectral_norm(g), with_spectral_norm(d)),
}


def frozen(config: Config, shape: Shape, num_classes: int) -> frozenset[str]:
    """Return D's parameters in its first --freeze-d layers (FreezeD, Mo, Cho and Shin 2020).

    A layer is what has one first name, such as down1; what only labels need is not counted. Raises
    InputError if no layer would be left to train.
    """
    if not config.freeze_d:
        return frozenset()
    image = (2, shape[2], *shape[:2])
    names, _ = nn.tensor_shapes(_sized(config, "discriminator", shape), image)
    layers = [*dict.fromkeys(name.partition(".")[0] for name in names)]
    if config.freeze_d >= len(layers):
        raise InputError(
            f"--freeze-d {config.freeze_d} leaves no layer to train: D has {len(layers)} layers "
            f"({', '.join(layers)}). Give a number from 0 to {len(layers) - 1}."
        )
    every = tensor_shapes(config, shape, num_classes)["discriminator"]
    chosen = layers[: config.freeze_d]
    return frozenset(name for name in every if name.partition(".")[0] in chosen)


def input_shapes(
    config: Config, shape: Shape, num_classes: int, count: int = 2
) -> tuple[list, list]:
    """Return the shapes of the inputs of G and D: latents or images, and labels."""
    height, width, channels = shape
    labels = [(count,)] if num_classes else []
    return [(count, config.latent), *labels], [(count, channels, height, width), *labels]


def players(
    config: Config, shape: Shape, num_classes: int, count: int = 2
) -> Iterator[tuple[str, Network, list]]:
    """Yield the name, the network and the input shapes of G and D."""
    yield from zip(
        ("generator", "discriminator"),
        networks(config, shape, num_classes),
        input_shapes(config, shape, num_classes, count),
        strict=True,
    )


def initial_parameters(
    config: Config, shape: Shape, num_classes: int, start: Initialisation | None = None
) -> dict[str, dict[str, Any]]:
    """Create both players' initial parameters and buffers in NumPy, as configured or by `start`."""
    start = start or initialisation(config)
    made: dict[str, dict[str, Any]] = {}
    for player, network, shapes in players(config, shape, num_classes):
        made[player], made[f"{player}_buffers"] = nn.initialise(
            network, *shapes, seed=config.seed, initialisation=start, prefix=f"{player}."
        )
    return made


def tensor_shapes(config: Config, shape: Shape, num_classes: int) -> TensorShapes:
    """Return the shapes of both players' parameters and buffers by tracing; nothing is allocated.

    Drawing initial values takes 0.5 s for a DCGAN of 64x64 images and width 64; this takes 2 ms.
    """
    found: TensorShapes = {}
    for player, network, shapes in players(config, shape, num_classes):
        found[player], found[f"{player}_buffers"] = nn.tensor_shapes(network, *shapes)
    return found
