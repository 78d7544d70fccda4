"""Match weights to a network by layers: by their names, then by order and shape."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

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


def match(
    given: Arrays, network: Tensors, spare: Collection[str] = (), new: Collection[str] = ()
) -> Fit:
    """Match each layer of a network to the given layer of that name, or the first that fits.

    `network` are the shapes of its tensors. Layers fit if their tensors have the same names and
    shapes. Given layers may stay unused if they are in `spare`, and the network's layers in `new`
    may stay without weights.
    """
    sources, targets = (
        grouped({name: array.shape for name, array in given.items()}),
        grouped(network),
    )
    matches, lacking = _matched(sources, targets)
    used = {found.source for found in matches}
    left = [name for name in sources if name not in used and name not in spare]
    lacking = [name for name in lacking if name not in new]
    if lacking or left:
        return Fit({}, [], _misfit(sources, targets, left, lacking))
    arrays = {
        _joined(found.target, name): given[_joined(found.source, name)]
        for found in matches
        for name in found.tensors
    }
    return Fit(arrays, matches)


def _matched(sources: Layers, targets: Layers) -> tuple[list[Match], list[str]]:
    """Match layers of equal tensors, by name, then in order; also return those without one."""
    same = {name for name, tensors in targets.items() if sources.get(name) == tensors}
    left = {name: tensors for name, tensors in sources.items() if name not in same}
    matches, lacking = [], []
    for name, tensors in targets.items():
        equal = name if name in same else next((o for o in left if left[o] == tensors), None)
        left.pop(equal or "", None)
        if equal is None:
            lacking.append(name)
        else:
            matches.append(Match(equal, name, tensors))
    return matches, lacking


def grouped(shapes: Tensors) -> Layers:
    """Group tensors into layers by their names up to the last dot, in order."""
    layers: Layers = {}
    for path, shape in shapes.items():
        layers.setdefault(layer_of(path), {})[path.rpartition(".")[2]] = tuple(shape)
    return layers


def layer_of(tensor: str) -> str:
    """Return the name of a tensor's layer: its own up to the last dot."""
    return tensor.rpartition(".")[0]


def by_layer(tensors: Iterable[str]) -> dict[str, set[str]]:
    """Return the tensors of each layer by their full names."""
    layers: dict[str, set[str]] = {}
    for name in tensors:
        layers.setdefault(layer_of(name), set()).add(name)
    return layers


def _joined(layer: str, name: str) -> str:
    return f"{layer}.{name}" if layer else name


def _misfit(sources: Layers, targets: Layers, left: list[str], lacking: list[str]) -> str:
    """Return a sentence on the first layer that does not fit."""
    if not lacking:
        return f"{_described(left[0], sources)} in the file has no counterpart in the network."
    expected = f"the network's {_described(lacking[0], targets)}"
    left = [name for name in left if name == lacking[0]] or left
    if not left:
        return f"nothing in the file fits {expected}."
    return f"the file has {_described(left[0], sources)} in place of {expected}."


def _described(layer: str, layers: Layers) -> str:
    tensors = (f"{name} {'x'.join(map(str, shape))}" for name, shape in layers[layer].items())
    return f"{layer or 'the unnamed layer'} ({', '.join(tensors)})"
