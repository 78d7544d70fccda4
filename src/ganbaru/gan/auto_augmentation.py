"""`--augment auto`: which transforms suit an image set, by its number and kind of images."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.config import Config
from ganbaru.data import Progress, Source, alpha
from ganbaru.engines.numpy import distances
from ganbaru.errors import InputError, RunError
from ganbaru.gan import augmentation
from ganbaru.gan.augmentation import AUTO, Adaptive, Augmentation
from ganbaru.gan.dataset import load_test_data
from ganbaru.gan.held_out import spread
from ganbaru.gan.transforms import TRANSFORMS

Images = NDArray[np.uint8]

# Images below which cutout is taken too, and below which too few can be spared to measure D.
FEW, TOO_FEW = 5_000, 200
# Of D's overfitting, and the largest strength. On 300 cat faces (64x64, 40,000 images of `small`)
# 0.6 and 0.5 led to half of the kernel distance that 0.3 and 0.8 did. Colour changed nothing but a
# checkerboard's power, raised from 2 to 4 to 5 to 6 (docs/augmentation.md), so it is not taken.
TARGET, MOST = 0.6, 0.5
FIXED = MOST  # the strength where it cannot adapt
# Part of the training images held out to measure D where there are no test images, and how many.
HELD_OUT, LEAST_HELD_OUT, MOST_HELD_OUT = 0.05, 32, 500

# A mirrored image's distance to the nearest of 1,000 other images, over that of the image itself
# (geometric mean): MNIST 1.41 to 1.45, Fashion-MNIST 1.42, digits 1.62; CIFAR-10 1.00, cat faces
# 1.01. Of 100 images: 1.18 and more; 0.99 to 1.01.
MIRRORED = 1.05
LEAST_TO_TELL = 60  # images below which it is not computed, and nothing flipped
COMPARED, SIDE = 2_000, 16

# Part of all pixels that have the commonest value: MNIST 0.81, Fashion-MNIST 0.51, digits 0.49;
# CIFAR-10 0.008, cat faces 0.002. Above it images are drawings, whose colours are not light.
DRAWN = 0.2
LOOKED_AT = 200


@dataclass(frozen=True)
class Choice:
    """An augmentation for an image set, and a sentence that says why."""

    spec: str
    reason: str


def mirror_ratio(images: Images) -> float:
    """Return how much farther mirrored images (N, H, W, C) are from the set than the images are.

    Each half of them, mirrored and as they are, looks for its nearest neighbours in the other half,
    at 16x16 pixels. 1 if the set is symmetric.
    """
    chosen = images[np.sort(spread(len(images), min(len(images), COMPARED)))]
    order = spread(len(chosen), len(chosen))
    small = _reduced(chosen)[order]
    halves = small[::2], small[1::2]
    logs = [
        np.log(np.sqrt(_squares(seen, other).min(axis=1)) + 1e-3).mean()  # 0 is that of a copy
        for own, other in (halves, halves[::-1])
        for seen in (own[:, :, ::-1], own)
    ]
    return float(np.exp((logs[0] - logs[1] + logs[2] - logs[3]) / 2))


def _reduced(images: Images) -> NDArray[np.float32]:
    """Return images by the means of at most 16x16 blocks."""
    x: NDArray[Any] = alpha.premultiplied(images).astype(np.float32)
    for axis in (1, 2):
        side = images.shape[axis]
        starts = np.linspace(0, side, min(side, SIDE) + 1).astype(int)
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        x = np.add.reduceat(x, starts[:-1], axis) / np.diff(starts).reshape(shape)
    return x


def _squares(*images: NDArray[np.float32]) -> NDArray[np.float64]:
    return distances.squares(*(x.reshape(len(x), -1).astype(np.float64) for x in images))


def drawn(images: Images) -> bool:
    """Return whether images are drawings or letters: one value fills a fifth of them.

    Invisible pixels do not count.
    """
    places = np.linspace(0, len(images) - 1, min(len(images), LOOKED_AT)).astype(int)
    pixels = images[places].reshape(-1, images.shape[3])
    pixels = pixels[pixels[:, 3] > 0, :3] if images.shape[3] == 4 else pixels
    _, counts = np.unique(pixels @ (65536, 256, 1)[: pixels.shape[1]], return_counts=True)
    return bool(counts.max(initial=0) > DRAWN * counts.sum())


def choose(images: Images, testable: bool) -> Choice:
    """Choose by images (N, H, W, C); `testable`: there are test images to measure D by."""
    count, kind = len(images), "drawings" if drawn(images) else "photographs"
    names, why = ["translation"], "too few to tell whether they may be mirrored"
    if count >= LEAST_TO_TELL:
        ratio = mirror_ratio(images)
        if ratio < MIRRORED:
            names.append("flip")
        why = f"mirrored ones are {ratio:.2f} times as far from the set"
    if count < FEW:
        names.append("cutout")
    made = [TRANSFORMS[name]() for name in TRANSFORMS if name in names]
    adapts = testable or count >= TOO_FEW
    if not adapts:
        made = [
            dataclasses.replace(each, p=each.p * FIXED) if each.ADAPTS else each for each in made
        ]
    hold = 0 if testable else held_out(count)
    adaptive = Adaptive(hold=hold, target=TARGET, most=MOST) if adapts else None
    spec = augmentation.describe(Augmentation(tuple(made), adaptive))
    how = "a strength that adapts" if adapts else "a fixed strength"
    reason = f"--augment auto: {count:,} {kind}, {why}: {spec}, of {how}."
    return Choice(spec, reason)


def held_out(count: int) -> int:
    """Return how many of `count` training images are held out to measure D."""
    least = LEAST_HELD_OUT if count >= TOO_FEW else 0
    return min(MOST_HELD_OUT, max(least, int(count * HELD_OUT)))


def resolve(config: Config, source: Source, progress: Progress) -> Choice:
    """Return the augmentation of a configuration with everything chosen that depends on the data.

    The reason is "" where nothing was chosen. Test images that cannot be loaded count as none.
    """
    if config.augment == "none":
        return Choice("none", "")
    made = augmentation.parse(config.augment)
    if not made.adaptive or made.adaptive.hold >= 0:
        return Choice(augmentation.describe(made), "")
    testable = _testable(config, source, progress)
    if config.augment == AUTO:
        return choose(source.images, testable)
    hold = 0 if testable else held_out(len(source.images))
    if not testable and not hold:
        raise InputError(
            f"--augment {config.augment} adapts to D's scores of held-out images, and "
            f"{source.name} has no test images and too few others: leave adaptive out."
        )
    made = dataclasses.replace(made, adaptive=dataclasses.replace(made.adaptive, hold=hold))
    return Choice(augmentation.describe(made), "")


def _testable(config: Config, source: Source, progress: Progress) -> bool:
    if not config.held_out:
        return False
    try:
        return load_test_data(config, source, progress) is not None
    except (RunError, InputError):
        return False
