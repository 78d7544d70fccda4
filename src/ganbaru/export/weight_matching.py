"""Match weights to a network by layers, and search for the options with which they would fit."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganbaru import nn, registry
from ganbaru.config import Config, flag
from ganbaru.errors import InputError
from ganbaru.gan import models
from ganbaru.gan.models import Shape
from ganbaru.nn.conditioning import CONDITIONINGS

Arrays = dict[str, np.ndarray]
Tensors = Mapping[str, tuple[int, ...]]  # the shapes of a layer's tensors, by name
Layers = dict[str, dict[str, tuple[int, ...]]]


@dataclass(frozen=True)
class Match:
    """A layer of a file and the network's layer that takes its weights."""

    source: str
    target: str
    tensors: Tensors


@dataclass(frozen=True)
class Fit:
    """The arrays by the network's names and the matches, or a sentence on what does not fit."""

    arrays: Arrays
    matches: list[Match]
    misfit: str = ""


def match(given: Arrays, network: Tensors) -> Fit:
    """Match each layer of a network to the given layer of that name, or the first that fits.

    `network` are the shapes of its tensors. Layers fit if their tensors have the same names and
    shapes.
    """
    shapes = {name: array.shape for name, array in given.items()}
    sources, targets = _layers(shapes), _layers(network)
    if shapes == network:
        return Fit(given, [Match(name, name, tensors) for name, tensors in targets.items()])
    matches, lacking = _matched(sources, targets)
    used = {found.source for found in matches}
    left = [name for name in sources if name not in used]
    if lacking or left:
        return Fit({}, [], _misfit(sources, targets, left, lacking))
    arrays = {
        _joined(found.target, name): given[_joined(found.source, name)]
        for found in matches
        for name in found.tensors
    }
    return Fit(arrays, matches)


def _matched(sources: Layers, targets: Layers) -> tuple[list[Match], list[str]]:
    """Match layers of equal tensors in order; return the matches and the targets without one."""
    left, matches, lacking = dict(sources), [], []
    for name, tensors in targets.items():
        equal = next((other for other in left if left[other] == tensors), None)
        if equal is None:
            lacking.append(name)
        else:
            matches.append(Match(equal, name, left.pop(equal)))
    return matches, lacking


def _layers(shapes: Tensors) -> Layers:
    """Group tensors into layers by their names up to the last dot, in order."""
    layers: Layers = {}
    for path, shape in shapes.items():
        layer, _, name = path.rpartition(".")
        layers.setdefault(layer, {})[name] = tuple(shape)
    return layers


def _joined(layer: str, name: str) -> str:
    return f"{layer}.{name}" if layer else name


def _misfit(sources: Layers, targets: Layers, left: list[str], lacking: list[str]) -> str:
    """Return a sentence on the first layer that does not fit."""
    if not lacking:
        return f"{_described(left[0], sources)} in the file has no counterpart in the network."
    expected = f"the network's {_described(lacking[0], targets)}"
    if not left:
        return f"nothing in the file fits {expected}."
    return f"the file has {_described(left[0], sources)} in place of {expected}."


def _described(layer: str, layers: Layers) -> str:
    tensors = (f"{name} {'x'.join(map(str, shape))}" for name, shape in layers[layer].items())
    return f"{layer or 'the unnamed layer'} ({', '.join(tensors)})"


# --- options with which weights would fit -----------------------------------------------------

SIZES = ("16", "28", "32", "48", "64", "96", "128", "256")
MAX_WIDTH, MAX_LATENT = 512, 4096
# Processor seconds of search: a file of 20 layers of 20 sizes has 10,000 candidates, of 10 ms each.
MAX_SECONDS = 8.0


def hint(given: Arrays, player: str, config: Config, shape: Shape, classes: int) -> str:
    """Return a sentence with the fewest options for which the weights would fit, if any.

    `classes` is the number of classes of the data, whether or not the configuration uses them.
    """
    shapes = _layers({name: array.shape for name, array in given.items()})
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
        "channels": [1, 3],
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
    return _layers(parameters | buffers)
