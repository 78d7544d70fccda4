"""Scorers: the feature networks of metrics. Each is a function of the data set alone.

The main one is a classifier trained on half of the training images and cached as safetensors.
Without labels, five networks with random weights take its place.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ganbaru import data, files, randomness
from ganbaru.data import Progress, Source, Target, alpha
from ganbaru.data.picture import RULE, fit_block
from ganbaru.errors import InputError
from ganbaru.metrics import classifier
from ganbaru.metrics.class_metrics import agreement
from ganbaru.metrics.classifier import Classifier, Images, Labels, Recipe

LONGEST, SHORTEST = 32, 8  # sides of a scorer's input images
SEED = 0
RECIPE = Recipe(width=16, shown=180_000, seed=SEED)  # 6 passes over half of MNIST
RANDOM = 5  # random networks: the score is their mean, its uncertainty their deviation
CALIBRATION = 2000  # images that features are normalised on

Scale = tuple[NDArray[np.float64], float]  # the features' mean (64,), and their common scale


@dataclass(frozen=True)
class Features:
    """Features (N, D) of each network of a scorer, and predicted labels if it is a classifier."""

    arrays: tuple[NDArray[np.floating], ...]
    labels: Labels | None


@dataclass(frozen=True)
class ScorerInfo:
    """What identifies a scorer: scores of different ones are not comparable."""

    kind: str
    version: int
    shape: tuple[int, ...]  # of its input images: height, width, channels
    classes: int = 0
    seed: int = SEED
    shown: int = 0  # images in training, 0 for random weights
    accuracy: float | None = None  # on images that it was not trained on
    fingerprint: str = ""  # of the training data
    hash: str = ""  # SHA-256 of its weights
    network: str = ""  # the input of a feature network that sees images of another size


@dataclass(frozen=True)
class Scorer:
    """A feature extractor of images (N, H, W, C) of any size, which it resizes itself."""

    info: ScorerInfo
    extract: Callable[[Images, Progress], Features]
    notes: tuple[str, ...] = ()  # for the user
    learns: bool = False  # whether its features are learnt from one half of the real images

    def resize(self, images: Images) -> Images:
        """Resize images (N, H, W, C) to the size of pixel metrics and of CAS."""
        return resized(images, self.info.shape)


def resized(images: Images, shape: tuple[int, ...]) -> Images:
    """Crop images (N, H, W, C) about the centre and resize them to a shape (H, W, ...).

    Lanczos, which does not alias, to fewer pixels, else bicubic; in 8 bits. Of RGBA images colours
    are multiplied by alpha, or shown over white for a shape of fewer channels.
    """
    channels = images.shape[3] if images.shape[3] < 4 else min(4, max(3, shape[2]))
    target = Target((shape[0], shape[1]), channels)
    parts = (images[i : i + 1024] for i in range(0, len(images), 1024))
    return np.concatenate([alpha.premultiplied(fit_block(part, target)) for part in parts])


def input_size(height: int, width: int) -> tuple[int, int]:
    """Return the input size of a scorer: the longer side becomes 32 at most."""
    return scaled(height, width, min(LONGEST, max(height, width)))


def scaled(height: int, width: int, longest: int) -> tuple[int, int]:
    """Return sides of the same proportions, the longer one `longest`, none below 8."""
    scale = longest / max(height, width)
    return max(SHORTEST, round(height * scale)), max(SHORTEST, round(width * scale))


def halves(source: Source) -> tuple[Labels, Labels]:
    """Return the indices of the images that scorers learn from, and of those they never see."""
    order = randomness.permutation(SEED, "scorer half", 0, len(source.images))
    middle = len(order) // 2
    return np.sort(order[:middle]), order[middle:]


# --- classifier -------------------------------------------------------------------------------


def classifier_scorer(source: Source, progress: Progress) -> Scorer:
    """Return the scorer of a labelled source, trained unless cached."""
    if len(source.classes) < 2:
        raise InputError(
            f"{source.name} has no labels (or a single class), so no classifier can be trained on "
            f"it: use --scorer random."
        )
    shape = (*input_size(*source.images.shape[1:3]), source.images.shape[3])
    mark = f"{source.fingerprint}|{shape}|{classifier.VERSION}|{RECIPE}|{RULE}"
    name = f"classifier-{hashlib.sha256(mark.encode()).hexdigest()[:20]}.safetensors"
    notes: list[str] = []
    content = files.cached(
        f"scorers/{name}", lambda: _packed(*_trained(source, shape, progress)), notes.append
    )
    info, network, scale = _unpacked(content)
    found = _scorer(info, [network], [scale], predicts=True)
    return replace(found, notes=tuple(notes), learns=True)


def _trained(
    source: Source, shape: tuple[int, ...], progress: Progress
) -> tuple[ScorerInfo, Classifier, Scale]:
    seen, unseen = halves(source)
    assert source.labels is not None
    classes = len(source.classes)
    images = resized(source.images[seen], shape)
    network = classifier.train(images, source.labels[seen], classes, RECIPE, progress)
    tested = np.sort(unseen[:10_000])
    predicted = network.labels(resized(source.images[tested], shape), progress)
    info = ScorerInfo(
        kind="classifier",
        version=classifier.VERSION,
        shape=shape,
        classes=classes,
        shown=RECIPE.steps(len(seen)) * classifier.BATCH,
        accuracy=agreement(predicted, source.labels[tested]),
        fingerprint=source.fingerprint,
    )
    return info, network, _scale(network, images)


def _scale(network: Classifier, images: Images) -> Scale:
    return scale(network.features(images[:CALIBRATION], data.silent))


def scale(features: NDArray[np.floating]) -> Scale:
    """Return the mean of features (N, D) of real images and the root of their mean variance.

    Features are centred and divided by them, so that all scorers share a scale and the kernel
    distance's cubes do not measure the mean: the rank correlation of classifier and random features
    rose from 0.65 to 0.83 (12 degraded sets of digits). Of features that are all equal, but for the
    rounding of float32, the scale is 1.
    """
    wide = features.astype(np.float64)
    spread, size = np.sqrt(wide.var(axis=0).mean()), np.sqrt((wide * wide).mean())
    return wide.mean(axis=0), float(spread) if spread > 1e-6 * size else 1.0


def _packed(info: ScorerInfo, network: Classifier, scale: Scale) -> bytes:
    from safetensors.numpy import save

    tensors = {
        f"{group}/{name}": np.ascontiguousarray(array)
        for group in ("parameters", "buffers")
        for name, array in getattr(network, group).items()
    }
    tensors |= {"centre": scale[0], "unit": np.array([scale[1]])}
    header = {**asdict(info), "width": network.width}
    return bytes(save(tensors, metadata={"ganbaru": json.dumps(header)}))


def _unpacked(content: bytes) -> tuple[ScorerInfo, Classifier, Scale]:
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
    info = ScorerInfo(**{**header, "shape": tuple(header["shape"])})
    return info, Classifier(width, info.classes, **groups), scale


# --- random networks --------------------------------------------------------------------------


def random_scorer(source: Source, progress: Progress) -> Scorer:
    """Return five networks with random weights, which need no labels (Naeem et al. 2020, 3.3)."""
    shape = (*input_size(*source.images.shape[1:3]), source.images.shape[3])
    mark = source.fingerprint
    info = ScorerInfo("random", classifier.VERSION, shape, fingerprint=mark)
    seen, _ = halves(source)
    images = resized(source.images[seen[:CALIBRATION]], shape)
    networks = [
        classifier.untrained(images.shape[1:], RECIPE.width, 2, SEED + i) for i in range(RANDOM)
    ]
    scales = [_scale(network, images) for network in networks]
    return _scorer(info, networks, scales, predicts=False)


def _scorer(
    info: ScorerInfo, networks: list[Classifier], scales: list[Scale], *, predicts: bool
) -> Scorer:
    digest = hashlib.sha256()
    for centre, unit in scales:
        digest.update(np.append(centre, unit).tobytes())
    for network in networks:
        for name, array in sorted({**network.parameters, **network.buffers}.items()):
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())

    def extract(images: Images, progress: Progress) -> Features:
        images = resized(images, info.shape)
        raw = [network.features(images, progress) for network in networks]
        labels = networks[0].logits(raw[0]).argmax(axis=1) if predicts else None
        pairs = zip(raw, scales, strict=True)
        scaled = (((x - mean) / unit).astype(np.float32) for x, (mean, unit) in pairs)
        return Features(tuple(scaled), labels)

    return Scorer(replace(info, hash=digest.hexdigest()), extract)


# --- channel by channel -----------------------------------------------------------------------


def channel_by_channel(of: str, source: Source, progress: Progress) -> Scorer:
    """Return a scorer of images whose channels are grey images of the set `of` (Stacked-MNIST).

    Features are concatenated, (N, 3 x 64); the labels of the channels are the digits of a number.
    """
    grey = classifier_scorer(data.load(of, image_size=source.images.shape[1:3]), progress)
    count = min(3, source.images.shape[3])

    def extract(images: Images, progress: Progress) -> Features:
        images = alpha.over(images)
        channels = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        found = grey.extract(channels.reshape(-1, *images.shape[1:3], 1), progress)
        assert found.labels is not None
        digits = found.labels.reshape(-1, count)
        place_values = grey.info.classes ** np.arange(count - 1, -1, -1)
        concatenated = tuple(x.reshape(len(digits), -1) for x in found.arrays)
        return Features(concatenated, digits @ place_values)

    accuracy = grey.info.accuracy
    info = replace(
        grey.info,
        kind=f"{of} channel by channel",
        shape=(*grey.info.shape[:2], count),
        classes=grey.info.classes**count,
        accuracy=None if accuracy is None else math.pow(accuracy, count),
    )
    return Scorer(info, extract, grey.notes, learns=True)


Maker = Callable[[Source, Progress], Scorer]


def automatic(source: Source, progress: Progress) -> Scorer:
    """Return a classifier if the source has two classes or more, else random networks."""
    return (classifier_scorer if len(source.classes) > 1 else random_scorer)(source, progress)
