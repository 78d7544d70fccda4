"""Scorers: what looks at images for the scores. Each is a function of the data set alone.

The main one is a classifier trained on half of the training images; it is kept in the user's cache
as safetensors. Where there are no labels, five networks with random weights look instead.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ganbaru import data, randomness
from ganbaru.data import Progress, Source, Target
from ganbaru.data.resize import RULE, fit_block
from ganbaru.errors import InputError
from ganbaru.metrics import classifier
from ganbaru.metrics.class_metrics import agreement
from ganbaru.metrics.classifier import Classifier, Images, Labels, Recipe
from ganbaru.metrics.disk_cache import kept

LONGEST, SHORTEST = 32, 8  # sides of the images that a scorer looks at
SEED = 0
RECIPE = Recipe(width=16, shown=180_000, seed=SEED)  # 6 passes over half of MNIST
RANDOM = 5  # networks: their mean is the score, their spread says how far to trust it
CALIBRATED = 2000  # images that a feature's unit is measured on

Features = NDArray[np.floating]
Scale = tuple[NDArray[np.float64], float]  # a feature's mean (64,), and the unit of all


@dataclass(frozen=True)
class Look:
    """What a scorer sees in images: features of each of its networks, and classes if it knows."""

    features: tuple[Features, ...]
    labels: Labels | None


@dataclass(frozen=True)
class About:
    """Where a scorer comes from, so that numbers of different ones are told apart."""

    kind: str
    version: int
    shape: tuple[int, ...]  # of the images it looks at: height, width, channels
    classes: int
    seed: int
    shown: int  # images in training, 0 for random weights
    accuracy: float | None  # on test images
    fingerprint: str  # of the data it learnt from
    hash: str = ""  # SHA-256 of its weights


@dataclass(frozen=True)
class Scorer:
    """Something that looks at images; `resize` fits them to it first."""

    about: About
    look: Callable[[Images, Progress], Look]

    def resize(self, images: Images) -> Images:
        """Fit images (N, H, W, C) to what the scorer looks at."""
        return resized(images, self.about.shape)


def resized(images: Images, shape: tuple[int, ...]) -> Images:
    """Crop images (N, H, W, C) about the centre and resize them to a shape (H, W, ...).

    Lanczos, which does not alias, where pixels become fewer, else bicubic; in 8 bits.
    """
    target = Target(size=(shape[0], shape[1]))
    blocks = range(0, len(images), 1024)
    return np.concatenate([fit_block(images[i : i + 1024], target) for i in blocks])


def seen_size(height: int, width: int) -> tuple[int, int]:
    """Return the size at which a scorer looks at images: the longer side becomes 32 at most."""
    scale = min(1.0, LONGEST / max(height, width))
    return max(SHORTEST, round(height * scale)), max(SHORTEST, round(width * scale))


def halves(source: Source) -> tuple[Labels, Labels]:
    """Return the places of the images that scorers learn from, and of those they never see."""
    order = randomness.permutation(SEED, "scorer half", 0, len(source.images))
    middle = len(order) // 2
    return np.sort(order[:middle]), order[middle:]


# --- a classifier of the data set's own -------------------------------------------------------


def trained(source: Source, progress: Progress) -> tuple[Scorer, tuple[str, ...]]:
    """Return the scorer of a labelled source, trained if the cache has none, and notes."""
    if len(source.classes) < 2:
        raise InputError(
            f"{source.name} has no labels (or a single class), so no classifier can be trained on "
            f"it: take --scorer random."
        )
    shape = (*seen_size(*source.images.shape[1:3]), source.images.shape[3])
    mark = f"{source.fingerprint}|{shape}|{classifier.VERSION}|{RECIPE}|{RULE}"
    name = f"classifier-{hashlib.sha256(mark.encode()).hexdigest()[:20]}.safetensors"
    content, notes = kept(name, lambda: _packed(*_made(source, shape, progress)))
    about, network, scale = _unpacked(content)
    return _scorer(about, [network], [scale], knows=True), notes


def _made(
    source: Source, shape: tuple[int, ...], progress: Progress
) -> tuple[About, Classifier, Scale]:
    learnt, fresh = halves(source)
    assert source.labels is not None
    about = About(
        kind="classifier", version=classifier.VERSION, shape=shape, classes=len(source.classes),
        seed=SEED, shown=RECIPE.steps(len(learnt)) * classifier.BATCH, accuracy=None,
        fingerprint=source.fingerprint,
    )  # fmt: skip
    images = resized(source.images[learnt], shape)
    network = classifier.train(images, source.labels[learnt], len(source.classes), RECIPE, progress)
    held = np.sort(fresh[:10_000])
    found = network.labels(resized(source.images[held], shape), progress)
    accuracy = agreement(found, source.labels[held])
    return replace(about, accuracy=accuracy), network, _scale(network, images)


def _scale(network: Classifier, images: Images) -> Scale:
    """Return the features' mean on real images and their root mean variance.

    Features are centred and divided by them, so that scorers of all kinds share a scale, and the
    cubes of the kernel distance are not about the mean: that brought the rankings of classifier
    and random features together, from a rank
    correlation of 0.65 to 0.83 (12 spoilt sets of digits).
    """
    features = network.features(images[:CALIBRATED], data.silent).astype(np.float64)
    return features.mean(axis=0), float(np.sqrt(features.var(axis=0).mean())) or 1.0


def _packed(about: About, network: Classifier, scale: Scale) -> bytes:
    from safetensors.numpy import save

    tensors = {
        f"{group}/{name}": np.ascontiguousarray(array)
        for group in ("parameters", "buffers")
        for name, array in getattr(network, group).items()
    }
    tensors |= {"centre": scale[0], "unit": np.array([scale[1]])}
    header = {**asdict(about), "width": network.width}
    return bytes(save(tensors, metadata={"ganbaru": json.dumps(header)}))


def _unpacked(content: bytes) -> tuple[About, Classifier, Scale]:
    from safetensors.numpy import load

    length = int.from_bytes(content[:8], "little")
    header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["ganbaru"])
    tensors = load(content)
    scale = tensors.pop("centre"), float(tensors.pop("unit")[0])
    groups: dict[str, dict[str, np.ndarray]] = {"parameters": {}, "buffers": {}}
    for key, array in tensors.items():
        group, _, name = key.partition("/")
        groups[group][name] = array
    width = header.pop("width")
    about = About(**{**header, "shape": tuple(header["shape"])})
    return about, Classifier(width, about.classes, **groups), scale


# --- random networks --------------------------------------------------------------------------


def random(source: Source, progress: Progress) -> tuple[Scorer, tuple[str, ...]]:
    """Return five networks with random weights, which need no labels (Naeem et al. 2020, 3.3)."""
    shape = (*seen_size(*source.images.shape[1:3]), source.images.shape[3])
    about = About(
        kind="random", version=classifier.VERSION, shape=shape, classes=0, seed=SEED, shown=0,
        accuracy=None, fingerprint=source.fingerprint,
    )  # fmt: skip
    learnt, _ = halves(source)
    images = resized(source.images[learnt[:CALIBRATED]], shape)
    networks = [
        classifier.untrained(images.shape[1:], RECIPE.width, 2, SEED + i) for i in range(RANDOM)
    ]
    scales = [_scale(network, images) for network in networks]
    return _scorer(about, networks, scales, knows=False), ()


def _scorer(
    about: About, networks: list[Classifier], scales: list[Scale], *, knows: bool
) -> Scorer:
    digest = hashlib.sha256()
    for centre, unit in scales:
        digest.update(np.append(centre, unit).tobytes())
    for network in networks:
        for name, array in sorted({**network.parameters, **network.buffers}.items()):
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())

    def look(images: Images, progress: Progress) -> Look:
        seen = [network.features(images, progress) for network in networks]
        labels = networks[0].logits(seen[0]).argmax(axis=1) if knows else None
        pairs = zip(seen, scales, strict=True)
        scaled = (((x - mean) / unit).astype(np.float32) for x, (mean, unit) in pairs)
        return Look(tuple(scaled), labels)

    return Scorer(replace(about, hash=digest.hexdigest()), look)


# --- channel by channel -----------------------------------------------------------------------


def channel_by_channel(
    of: str, source: Source, progress: Progress
) -> tuple[Scorer, tuple[str, ...]]:
    """Return a scorer of pictures whose channels are grey images of the set `of` (Stacked-MNIST).

    Features lie side by side, (N, 3 x 64); the labels of the channels are the digits of a number.
    """
    grey, notes = trained(data.load(of, image_size=source.images.shape[1:3]), progress)
    count = source.images.shape[3]

    def look(images: Images, progress: Progress) -> Look:
        apart = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        found = grey.look(apart.reshape(-1, *grey.about.shape), progress)
        assert found.labels is not None
        digits = found.labels.reshape(-1, count)
        places = grey.about.classes ** np.arange(count - 1, -1, -1)
        side_by_side = tuple(x.reshape(len(digits), -1) for x in found.features)
        return Look(side_by_side, digits @ places)

    about = replace(
        grey.about, kind=f"{of} channel by channel", shape=(*grey.about.shape[:2], count),
        classes=grey.about.classes**count,
        accuracy=None if grey.about.accuracy is None else math.pow(grey.about.accuracy, count),
    )  # fmt: skip
    return Scorer(about, look), notes


Maker = Callable[[Source, Progress], tuple[Scorer, tuple[str, ...]]]


def automatic(source: Source, progress: Progress) -> tuple[Scorer, tuple[str, ...]]:
    """Take a classifier where there are classes to tell apart, else random networks."""
    return (trained if len(source.classes) > 1 else random)(source, progress)
