"""Carry weights over to networks whose labels differ: the parts of classes go by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ganbaru.config import Config
from ganbaru.gan import models
from ganbaru.gan.layer_matching import Arrays, by_layer

Axes = dict[str, int]


def class_axes(config: Config, shape: models.Shape, classes: int) -> dict[str, Axes]:
    """Return by player the axis along which each tensor has a part for each class.

    It is the axis that is longer with one class more, and the parts of the classes are its last
    ones: tables have a row for each class, and labels are appended to latents and images.
    """
    if not classes:
        return {"generator": {}, "discriminator": {}}
    now, more = (models.tensor_shapes(config, shape, count) for count in (classes, classes + 1))
    return {
        player: {
            name: next(
                i for i, (a, b) in enumerate(zip(size, more[group][name], strict=True)) if a != b
            )
            for group in (player, f"{player}_buffers")
            for name, size in now[group].items()
            if size != more[group][name]
        }
        for player in ("generator", "discriminator")
    }


@dataclass(frozen=True)
class Labels:
    """The classes of a network, and the axis of their parts in each of its tensors."""

    names: Sequence[str]
    axes: Axes

    def common(self, tensor: str, array: np.ndarray) -> tuple[slice, ...]:
        """Return the index of a tensor's part that belongs to no class."""
        axis, count = self.axes.get(tensor), len(self.names)
        ends = [size - count * (i == axis) for i, size in enumerate(array.shape)]
        return tuple(slice(0, end) for end in ends)

    def of_class(self, tensor: str, array: np.ndarray, name: str) -> tuple[slice | int, ...]:
        """Return the index of a class's part of a tensor that has one."""
        axis = self.axes[tensor]
        place = array.shape[axis] - len(self.names) + self.names.index(name)
        return (*[slice(None)] * axis, place)

    def own_layers(self, tensors: Arrays) -> set[str]:
        """Return the layers that have nothing but parts of classes, such as tables."""
        return {
            layer
            for layer, names in by_layer(tensors).items()
            if all(not tensors[name][self.common(name, tensors[name])].size for name in names)
        }


def carried_over(old: Arrays, old_labels: Labels, new: Arrays, new_labels: Labels) -> Arrays:
    """Return those tensors of `new` that `old` has by name, with its numbers.

    The part of a class is taken from the class of the same name; those of other classes stay as
    they are in `new`. A tensor whose other parts differ in shape is left out.
    """
    taken: Arrays = {}
    for name in old.keys() & new.keys():
        source = old[name]
        target = np.array(new[name], np.promote_types(source.dtype, new[name].dtype))
        here, there = old_labels.common(name, source), new_labels.common(name, target)
        if source[here].shape != target[there].shape:
            continue
        target[there] = source[here]
        both = old_labels.axes.get(name) == new_labels.axes.get(name, -1)
        classes = {*old_labels.names} & {*new_labels.names} if both else {}
        for each in classes:
            index = new_labels.of_class(name, target, each)
            target[index] = source[old_labels.of_class(name, source, each)]
        taken[name] = target
    return taken
