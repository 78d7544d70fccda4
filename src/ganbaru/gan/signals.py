"""Signals of one step: how well D separates, how the images differ, and how far the players move.

Engine-neutral and without gradients; the doctor (`metrics.diagnosis`) reads their means in the log.
"""

from __future__ import annotations

import math

from ganbaru import ops, ranks
from ganbaru.ops import Parameters, Tensor

Signals = dict[str, Tensor]

# Images of a batch that are compared: of all, with all weights, the signals took 7 % of a small
# network's step, and the log has means over many steps.
IMAGES = 8
PART = 8  # of the largest weight's first axis, this part is measured, as it must be copied


def of_scores(real: Tensor, fake: Tensor) -> Signals:
    """Return the shares of reals above and of fakes below the middle of their mean scores (N,).

    The middle and not 0: relativistic and Wasserstein scores have no zero, and for the others it
    is near. A D that cannot tell them apart has 0.5, one that takes fakes for reals less.
    """
    high, low = ranks.means(real, fake)
    middle = (high + low) * 0.5
    return {"real_accuracy": _positive(real - middle), "fake_accuracy": _positive(middle - fake)}


def _positive(x: Tensor) -> Tensor:
    """Return the share of entries above 0, by their signs; 0 counts half."""
    return ops.mean(x / (ops.maximum(x, x * -1.0) + 1e-12)) * 0.5 + 0.5


def of_images(real: Tensor, fake: Tensor) -> Signals:
    """Return how the first fakes differ from the first reals (N, C, H, W), without augmentation.

    `diversity` is the root mean square of differences between neighbouring fakes, divided by that
    of reals.
    """
    real, fake = (_first_of_all(images) for images in (real, fake))
    return {"diversity": _neighbours(fake) / (_neighbours(real) + 1e-6)}


def _neighbours(images: Tensor) -> Tensor:
    """Return the root mean square of differences between each of the first images and the next."""
    count, *shape = images.shape
    count, rest = min(count, IMAGES), [0] * len(shape)
    after = ops.slice(images, [1, *rest], [count, *shape])
    moved = after - ops.slice(images, [0, *rest], [count - 1, *shape])
    return ops.sqrt(ops.mean(moved * moved))


def _first_of_all(images: Tensor) -> Tensor:
    """Return the first images of the global batch, of which each rank sends some."""
    some = _first(images, math.ceil(IMAGES / ranks.count()))
    return _first(ranks.whole_batch(some), IMAGES)


def _first(x: Tensor, count: int) -> Tensor:
    size, *rest = x.shape
    return ops.slice(x, [0] * (1 + len(rest)), [min(count, size), *rest])


class Watch:
    """Measures an update at a part of the largest weight; it may consume both inputs."""

    def __init__(self, parameters: Parameters, gradients: Parameters) -> None:
        self.name = max(parameters, key=lambda name: math.prod(parameters[name].shape))
        self.gradient = _norm(self._part(gradients))
        self.before = self._part(parameters) * 1.0

    def of_update(self, player: str, after: Parameters) -> Signals:
        """Return the gradient's norm, and the update's divided by that of the weight before it."""
        moved = _norm(self._part(after) - self.before) / (_norm(self.before) + 1e-12)
        return {f"{player}_gradient": self.gradient, f"{player}_update": moved}

    def _part(self, parameters: Parameters) -> Tensor:
        x = parameters[self.name]
        return _first(x, math.ceil(x.shape[0] / PART))


def _norm(x: Tensor) -> Tensor:
    return ops.sqrt(ops.sum(x * x))
