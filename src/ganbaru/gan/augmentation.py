"""Augmentation: random transforms of what D sees, for reals and fakes, in both players' updates.

Published as DiffAugment (Zhao et al. 2020) and, with a strength that adapts, as ADA (Karras et al.
2020). The numbers are drawn by counter with the batch. Which images are transformed, at the
strength of the moment, is decided in NumPy before the step, so that a compiled or recorded step
stays the same while the strength changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness, registry
from ganbaru.errors import InputError, pick
from ganbaru.gan.transforms import TRANSFORMS, Arrays, Numbers, Shape, Transform
from ganbaru.ops import Parameters, Tensor

Draws = dict[str, Numbers]  # uniform in [0, 1), by transform: (N, 1 + its numbers)

ADAPTIVE = "adaptive"
AUTO = "auto"


@dataclass(frozen=True)
class Adaptive:
    """How the strength adapts to D's overfitting; options of ``adaptive`` in a specification.

    Overfitting is D's mean score of training images less that of held-out images, as a share of
    that of reals less that of fakes. Above `target` the strength rises, below it falls, by 1 in
    `images` images (ADA's 500,000 is for runs of 25 million).
    """

    start: float = 0.0  # the first strength, from 0 to `most`
    target: float = 0.3
    images: float = 20_000
    most: float = 0.8  # of the strength: D must also see images as they are
    hold: float = -1  # training images held out; 0: there are test images; -1: see at the start

    def __post_init__(self) -> None:
        """Raise InputError for an option out of its range."""
        ranges = {"most": (0, 1), "start": (0, self.most), "target": (0, 1), "images": (1, 1e12)}
        for name, (least, most) in {**ranges, "hold": (-1, 1e12)}.items():
            if not least <= getattr(self, name) <= most:
                raise InputError(
                    f"The augmentation {ADAPTIVE} has {name}={getattr(self, name):g}: give a "
                    f"number from {least:g} to {most:g}."
                )

    def after(self, strength: float, gap: float, apart: float, share: float) -> float:
        """Return the strength after a `share` of `images`.

        `gap` is D's mean score of training images less that of held-out ones, and `apart` that of
        reals less that of fakes: 0 and less for a D that fakes win against, which overfits nothing.
        """
        overfitting = gap / apart if apart > 0 else 0.0
        change = min(1.0, max(-1.0, overfitting / max(self.target, 1e-6) - 1.0))
        return min(self.most, max(0.0, strength + change * share))


@dataclass(frozen=True)
class Augmentation:
    """Transforms, applied from left to right, and how their strength changes, if it does."""

    transforms: tuple[Transform, ...] = ()
    adaptive: Adaptive | None = None

    def sample(self, seed: int, purpose: str, index: int, count: int) -> Draws:
        """Draw the numbers of `count` images, of each transform by its own counter."""
        found = {}
        for each in self.transforms:
            width = 1 + each.NUMBERS
            numbers = randomness.uniform(seed, f"{each.NAME} of {purpose}", index, count * width)
            found[each.NAME] = numbers.reshape(count, width)
        return found

    def arrays(self, draws: Draws, strength: float, shape: Shape) -> Arrays:
        """Return the inputs of `apply` for images of a shape (height, width, channels).

        An image has a transform with probability ``p * strength``; flips keep their `p`.
        """
        return {
            f"{each.NAME}.{name}": array
            for each in self.transforms
            for name, array in _arrays(each, draws[each.NAME], strength, shape).items()
        }

    def of_side(self, side: str, given: Parameters) -> Parameters:
        """Return those of the tensors of `arrays` that a side, "real" or "fake", is given."""
        out = tuple(f"{x.NAME}." for x in self.transforms if side == "fake" and not x.FAKES)
        return {name: x for name, x in given.items() if not name.startswith(out)}

    def apply(self, images: Tensor, given: Parameters) -> Tensor:
        """Transform images (N, C, H, W) by the tensors of `arrays`, or those of a side."""
        for each in self.transforms:
            prefix = f"{each.NAME}."
            own = {n.removeprefix(prefix): x for n, x in given.items() if n.startswith(prefix)}
            images = each.apply(images, own) if own else images
        return images


def _arrays(made: Transform, numbers: Numbers, strength: float, shape: Shape) -> Arrays:
    on: NDArray[np.bool_] = numbers[:, 0] < made.p * (strength if made.ADAPTS else 1.0)
    return made.arrays(on, numbers[:, 1:], shape)


def split(made: Augmentation, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places, of `count` images, of those to train on and of those held out."""
    hold = max(0, int(made.adaptive.hold)) if made.adaptive else 0
    if not hold:
        return np.arange(count), np.arange(0)
    order = randomness.permutation(0, "held out of training", 0, count)
    return np.sort(order[hold:]), np.sort(order[:hold])


# --- specifications ---------------------------------------------------------------------------


def parse(spec: str) -> Augmentation:
    """Build the augmentation of ``name:option=number,...+name+...``; "none" is none.

    `auto` without a data set is everything (`ganbaru.gan.auto_augmentation` chooses by the data).
    """
    if spec == "none":
        return Augmentation()
    if spec == AUTO:
        spec = "+".join((*TRANSFORMS, ADAPTIVE))
    table: Mapping[str, Any] = {**TRANSFORMS, ADAPTIVE: Adaptive}
    found: dict[str, Any] = {}
    for part in spec.split("+"):
        name, options = registry.parse_options(part)
        if name in ("none", AUTO):
            raise InputError(f"--augment {name} stands alone, and {spec} has more beside it.")
        if name in found:
            raise InputError(f"--augment {spec} has {name} twice: leave one of them out.")
        made = pick("augmentation", name, table, "none", AUTO)
        registry.check_options("augmentation", name, made, options)
        found[name] = made(**options)
    adaptive = found.pop(ADAPTIVE, None)
    if not found:
        raise InputError(
            f"--augment {spec} has no transform whose strength could adapt: add some of "
            f"{', '.join(TRANSFORMS)}, such as translation+{spec}."
        )
    return Augmentation(tuple(found.values()), adaptive)


def describe(augmentation: Augmentation) -> str:
    """Return the specification of an augmentation, with the options that differ from defaults."""
    parts: list[Transform | Adaptive] = [
        *augmentation.transforms,
        *([augmentation.adaptive] if augmentation.adaptive else []),
    ]
    return "+".join(map(_described, parts)) or "none"


def _described(part: Transform | Adaptive) -> str:
    name = part.NAME if isinstance(part, Transform) else ADAPTIVE
    fields = [(f.name, getattr(part, f.name), f.default) for f in dataclasses.fields(part)]
    options = [f"{key}={value:.12g}" for key, value, default in fields if value != default]
    return f"{name}:{','.join(options)}" if options else name
