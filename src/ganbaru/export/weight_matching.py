"""Whether weights fit a network: layer by layer, and if they do not, which options would help."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

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
    """A layer of a file and the layer of the network that it became."""

    there: str
    here: str
    tensors: Tensors


@dataclass(frozen=True)
class Fit:
    """The arrays by the network's names and what went where; or else what does not fit."""

    arrays: Arrays
    matches: list[Match]
    misfit: str = ""


def match(given: Arrays, wanted: Mapping[str, np.ndarray]) -> Fit:
    """Give each layer wanted the first layer given that has its tensors, by name or by order."""
    shapes = {name: array.shape for name, array in given.items()}
    there, here = _layers(shapes), _layers({name: x.shape for name, x in wanted.items()})
    if shapes == {name: array.shape for name, array in wanted.items()}:
        return Fit(given, [Match(name, name, tensors) for name, tensors in here.items()])
    matches, lacking = _matched(there, here)
    taken = {found.there for found in matches}
    left = [name for name in there if name not in taken]
    if lacking or left:
        return Fit({}, [], _misfit(there, here, left, lacking))
    arrays = {
        _joined(found.here, name): given[_joined(found.there, name)]
        for found in matches
        for name in found.tensors
    }
    return Fit(arrays, matches)


def _matched(there: Layers, here: Layers) -> tuple[list[Match], list[str]]:
    """Return the layers that are alike, each pair in the order of both, and those without one."""
    left, matches, lacking = dict(there), [], []
    for name, tensors in here.items():
        like = next((other for other in left if left[other] == tensors), None)
        if like is None:
            lacking.append(name)
        else:
            matches.append(Match(like, name, left.pop(like)))
    return matches, lacking


def _layers(shapes: Tensors) -> Layers:
    """Gather tensors into layers, in their order."""
    layers: Layers = {}
    for path, shape in shapes.items():
        layer, _, name = path.rpartition(".")
        layers.setdefault(layer, {})[name] = tuple(shape)
    return layers


def _joined(layer: str, name: str) -> str:
    return f"{layer}.{name}" if layer else name


def _misfit(there: Layers, here: Layers, left: list[str], lacking: list[str]) -> str:
    """Say in a sentence which layer is the first that does not fit, and why."""
    if not lacking:
        return f"{_told(left[0], there)} in the file has no place in the network."
    expected = f"the network's {_told(lacking[0], here)}"
    if not left:
        return f"nothing in the file fits {expected}."
    return f"{_told(left[0], there)} in the file stands where {expected} is expected."


def _told(layer: str, layers: Layers) -> str:
    tensors = (f"{name} {'x'.join(map(str, shape))}" for name, shape in layers[layer].items())
    return f"{layer or 'the unnamed layer'} ({', '.join(tensors)})"


# --- what would help --------------------------------------------------------------------------

SIZES = ("16", "28", "32", "48", "64", "96", "128", "256")
MOST_WIDTH = 512


def hint(given: Arrays, player: str, config: Config, shape: Shape, classes: int) -> str:
    """Say with which options the weights would fit, the fewest first, or that they are another's.

    `classes` are those of the data, whether the configuration makes use of them or not.
    """
    shapes = {name: array.shape for name, array in given.items()}
    height, width, channels = shape
    size = str(height) if height == width else f"{height}x{width}"
    now = dataclasses.replace(config, image_size=size, channels=channels)
    ways = (_differences(now, other) for other in _fitting(now, player, shapes, classes))
    found = list(itertools.islice(ways, 1))
    # A second way, since a latent joined to labels looks as a longer latent does; not one that
    # is the first and something that makes no difference.
    others = (way for way in ways if not found[0].items() <= way.items())
    if found := [*found, *itertools.islice(others, 1)]:
        told = (" ".join(f"{flag(n)} {value}" for n, value in way.items()) for way in found)
        return f"It would fit with {', or with '.join(told)}."
    (other_player,) = {"generator", "discriminator"} - {player}
    if next(_fitting(now, other_player, shapes, classes), None):
        return f"It has a {other_player}'s layers: name the generator's file first."
    return "No network of ganbaru's at any width or image size has just these layers."


def _fitting(now: Config, player: str, shapes: Tensors, classes: int) -> Iterator[Config]:
    """Yield the configurations whose networks have just these tensors, the most alike first.

    Tries architectures, image sizes and conditionings whose layers have the file's kinds of
    tensors, and in these the widths, latents and channels that are among its numbers.
    """
    candidates = [
        changed
        for outer in _changes(now, _outer(now, classes))
        if _fits(outer, player, shapes, classes, _ranks)
        for changed in _changes(outer, _inner(shapes, classes))
    ]
    candidates.sort(key=lambda other: len(_differences(now, other)))
    yield from (other for other in candidates if _fits(other, player, shapes, classes, _sizes))


def _outer(config: Config, classes: int) -> dict[str, list]:
    """Return what decides which layers there are, the configuration's own values first."""
    labelled = ["none", *CONDITIONINGS] if classes else ["none"]
    networks = dict.fromkeys([config.network, *registry.names("networks")])
    return {"network": list(networks), "image_size": list(SIZES), "conditioning": labelled}


def _inner(shapes: Tensors, classes: int) -> dict[str, list]:
    """Return what decides how large layers are: numbers that the file holds."""
    numbers = sorted({n for shape in shapes.values() for n in shape[:2]})
    latents = {number - less for number in numbers for less in (0, classes)}
    return {
        "width": [number for number in numbers if number <= MOST_WIDTH],
        "latent": [number for number in sorted(latents) if number > 0],
        "channels": [1, 3],
    }


def _changes(config: Config, choices: Mapping[str, list]) -> Iterator[Config]:
    """Yield a configuration with every combination of its own values and others."""
    each = [dict.fromkeys([getattr(config, name), *others]) for name, others in choices.items()]
    for values in itertools.product(*each):
        yield dataclasses.replace(config, **dict(zip(choices, values, strict=True)))


def _differences(before: Config, after: Config) -> dict[str, object]:
    names = ("network", "image_size", "width", "latent", "channels", "conditioning")
    return {n: getattr(after, n) for n in names if getattr(after, n) != getattr(before, n)}


def _fits(
    config: Config, player: str, shapes: Tensors, classes: int, look: Callable[[Tensors], list]
) -> bool:
    """Say whether a player's layers look like those of these tensors."""
    here = _traced(config, player, classes)
    return sorted(map(look, here.values())) == sorted(map(look, _layers(shapes).values()))


def _sizes(tensors: Tensors) -> list[tuple[str, tuple[int, ...]]]:
    return sorted(tensors.items())


def _ranks(tensors: Tensors) -> list[tuple[str, int]]:
    return sorted((name, len(shape)) for name, shape in tensors.items())


def _traced(config: Config, player: str, classes: int) -> Layers:
    """Return the layers of a configuration's network, none if it cannot be built."""
    of = 0 if config.conditioning == "none" else classes
    shape = (*(config.size or (0, 0)), config.channels or 0)
    index = ("generator", "discriminator").index(player)
    shapes: dict[str, tuple[int, ...]] = {}
    try:
        network = models.networks(config, shape, of)[index]
        nn.trace(
            network, *models.input_shapes(config, shape, of)[index],
            parameter=lambda name, shape, kind, fan_in: shapes.update({name: shape}),
            buffer=lambda name, shape, start: shapes.update({name: shape}),
        )  # fmt: skip
    except InputError:
        return {}
    return _layers(shapes)
