"""Search for the options with which a file's weights would fit a network."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ganbaru import nn, registry
from ganbaru.coerce import MODES
from ganbaru.config import Config, flag
from ganbaru.errors import InputError
from ganbaru.gan import models
from ganbaru.gan.layer_matching import Arrays, Layers, grouped
from ganbaru.gan.models import Shape
from ganbaru.nn.conditioning import CONDITIONINGS

SIZES = ("16", "28", "32", "48", "64", "96", "128", "256")
MAX_WIDTH, MAX_LATENT = 512, 4096
# Processor seconds of search: a file of 20 layers of 20 sizes has 10,000 candidates, of 10 ms each.
MAX_SECONDS = 8.0


def hint(given: Arrays, player: str, config: Config, shape: Shape, classes: int) -> str:
    """Return a sentence with the fewest options for which the weights would fit, if any.

    `classes` is the number of classes of the data, whether or not the configuration uses them.
    """
    shapes = grouped({name: array.shape for name, array in given.items()})
    height, width, channels = shape
    size = str(height) if height == width else f"{height}x{width}"
    now = dataclasses.replace(config, image_size=size, channels=channels)
    end = time.process_time() + MAX_SECONDS
    changes = (_differences(now, other) for other in _fitting(now, player, shapes, classes, end))
    found = list(itertools.islice(changes, 1))
    # Also a second one, since a latent joined to labels has the shape of a longer latent; not one
    # that only adds options without effect to the first.
    others = (each for each in changes if not found[0].items() <= each.items())
    if found := [*found, *itertools.islice(others, 1)]:
        options = (" ".join(f"{flag(n)} {value}" for n, value in each.items()) for each in found)
        return f"It would fit with {', or with '.join(options)}."
    (other_player,) = {"generator", "discriminator"} - {player}
    if next(_fitting(now, other_player, shapes, classes, end), None):
        return f"It has a {other_player}'s layers: give the generator's file first."
    if time.process_time() > end:
        return f"No network of ganbaru with these layers was found in {MAX_SECONDS:g} s."
    return "No network of ganbaru at any width or image size has exactly these layers."


def _fitting(
    now: Config, player: str, shapes: Layers, classes: int, end: float
) -> Iterator[Config]:
    """Yield the configurations whose networks have exactly these tensors, fewest changes first.

    First the architectures, image sizes and conditionings with the file's numbers of layers and
    axes, then for these the widths, latents and channels that occur among its shapes. The search
    stops at the time `end`.
    """
    ranks, exact = _layer_counts(shapes, len), _layer_counts(shapes, tuple)
    candidates = [
        changed
        for outer in _changes(now, _outer(now, classes))
        if _layer_counts(_traced(outer, player, classes), len) == ranks
        for changed in _changes(outer, _possible(outer, player, shapes, classes, end))
    ]
    candidates.sort(key=lambda other: len(_differences(now, other)))
    for other in itertools.takewhile(lambda other: time.process_time() < end, candidates):
        if _layer_counts(_traced(other, player, classes), tuple) == exact:
            yield other


def _possible(
    config: Config, player: str, shapes: Layers, classes: int, end: float
) -> dict[str, list]:
    """Return the widths, channels and latents that each fit the layers of no other size.

    Those layers have the same tensors at the least and the greatest of the other sizes, and a
    value that gives them tensors which the file lacks fits with none: a few values of each remain,
    so that their combinations, 168 for a file of 7 sizes, need no traces of their own.
    """
    given, left = _layer_counts(shapes, tuple), _inner(config, shapes, classes)
    for name, values in left.items():
        ends = {other: [min(left[other]), max(left[other])] for other in left if other != name}
        left[name] = [
            value
            for value in itertools.takewhile(lambda value: time.process_time() < end, values)
            if _common(dataclasses.replace(config, **{name: value}), ends, player, classes) <= given
        ]
        if not left[name]:
            return {each: [] for each in left}
    return left


def _common(
    config: Config, ends: Mapping[str, list], player: str, classes: int
) -> Counter[frozenset]:
    """Count the layers that have the same tensors at either end of the other sizes."""
    low, high = (
        dataclasses.replace(config, **{name: pair[i] for name, pair in ends.items()})
        for i in (0, 1)
    )
    first = _traced(low, player, classes)
    second = first if low == high else _traced(high, player, classes)
    same = {name: tensors for name, tensors in first.items() if second.get(name) == tensors}
    return _layer_counts(same, tuple)


def _outer(config: Config, classes: int) -> dict[str, list]:
    """Return the fields that determine which layers exist, the configuration's values first."""
    labelled = ["none", *CONDITIONINGS] if classes else ["none"]
    choices = {
        "network": registry.names("networks"),
        "image_size": SIZES,
        "conditioning": labelled,
    }
    return _own_first(config, choices)


def _inner(config: Config, shapes: Layers, classes: int) -> dict[str, list]:
    """Return the fields that determine the sizes of layers: numbers of the file's shapes."""
    every = (shape for tensors in shapes.values() for shape in tensors.values())
    numbers = sorted({n for shape in every for n in shape[:2]})
    latents = {number - less for number in numbers for less in (0, classes)}
    choices = {
        "width": [number for number in numbers if number <= MAX_WIDTH],
        "channels": [*MODES],
        "latent": [number for number in sorted(latents) if 0 < number <= MAX_LATENT],
    }
    return _own_first(config, choices)


def _own_first(config: Config, choices: Mapping[str, Iterable]) -> dict[str, list]:
    """Return the choices of each field, once each, the configuration's own before the others."""
    return {n: [*dict.fromkeys([getattr(config, n), *each])] for n, each in choices.items()}


def _changes(config: Config, choices: Mapping[str, list]) -> Iterator[Config]:
    """Yield the configuration with every combination of values."""
    for values in itertools.product(*choices.values()):
        yield dataclasses.replace(config, **dict(zip(choices, values, strict=True)))


def _differences(before: Config, after: Config) -> dict[str, object]:
    names = ("network", "image_size", "width", "latent", "channels", "conditioning")
    return {n: getattr(after, n) for n in names if getattr(after, n) != getattr(before, n)}


def _layer_counts(layers: Layers, measure: Callable[..., Any]) -> Counter[frozenset]:
    """Count the layers by their tensors' names and measures of their shapes."""
    return Counter(
        frozenset((name, measure(shape)) for name, shape in tensors.items())
        for tensors in layers.values()
    )


def _traced(config: Config, player: str, classes: int) -> Layers:
    """Return the layers of a configuration's network, or none if it cannot be built."""
    count = models.class_count(config, classes)
    shape = (*(config.size or (0, 0)), config.channels or 0)
    index = ("generator", "discriminator").index(player)
    try:
        network = models.networks(config, shape, count)[index]
        inputs = models.input_shapes(config, shape, count)[index]
        parameters, buffers = nn.tensor_shapes(network, *inputs)
    except InputError:
        return {}
    return grouped(parameters | buffers)
