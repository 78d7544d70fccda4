"""How well generated images obey their attributes: accuracy of binary ones, correlation of numbers.

The attributes of fakes are predicted by the network of the scorer with an output for each attribute
(a logit, or a number), trained on half of the training images. The real-image baseline is the same
for images of the other half.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ganbaru import data, files, ops
from ganbaru.data import Progress, Source
from ganbaru.data.attributes import Attribute, Rows, matched
from ganbaru.metrics import classifier, scorer
from ganbaru.metrics.classifier import Classifier, Images
from ganbaru.metrics.passport import AttributeScore
from ganbaru.ops import Tensor


def score(
    source: Source,
    columns: Sequence[Attribute],
    images: Images,
    rows: Rows,
    progress: Progress = data.silent,
) -> dict[str, AttributeScore]:
    """Score images (N, H, W, C) made for rows (N, A) of attributes; {} if the data lack these."""
    known = matched(source.attributes, columns)
    if known is None:
        return {}
    shape = (*scorer.input_size(*source.images.shape[1:3]), source.images.shape[3])
    seen, unseen = scorer.halves(source)
    network = _network(source, columns, shape, known.rows, seen, progress)
    others = np.sort(unseen[: len(images)])
    made = _agreement(network, columns, scorer.resized(images, shape), rows)
    real = scorer.resized(source.images[others], shape)
    floors = _agreement(network, columns, real, known.rows[others])
    return {
        column.name: AttributeScore(
            measure="accuracy" if column.kind == "binary" else "correlation",
            value=value,
            **_interval(column, value, len(images)),
            floor=floor,
        )
        for column, value, floor in zip(columns, made, floors, strict=True)
    }


def _interval(column: Attribute, value: float, count: int) -> dict[str, float]:
    """Return the normal interval of a share, or by Fisher's z that of a correlation."""
    if column.kind == "binary":
        error = 1.96 * np.sqrt(value * (1 - value) / count)
        return {"low": float(max(0, value - error)), "high": float(min(1, value + error))}
    z = np.arctanh(np.clip(value, -0.999999, 0.999999))
    low, high = np.tanh(z + np.array([-1.96, 1.96]) / np.sqrt(max(1, count - 3)))
    return {"low": float(low), "high": float(high)}


def _agreement(
    network: Classifier, columns: Sequence[Attribute], images: Images, rows: Rows
) -> list[float]:
    """Return the accuracy or the correlation (0 for a constant) of each column's predictions."""
    predicted = network.logits(network.features(images, data.silent)).astype(np.float64)
    found = []
    for k, column in enumerate(columns):
        one, other = predicted[:, k], rows[:, k].astype(np.float64)
        if column.kind == "binary":
            found.append(float(np.mean((one > 0) == (other > 0))))
        elif one.std() and other.std():
            found.append(float(np.corrcoef(one, other)[0, 1]))
        else:
            found.append(0.0)
    return found


def _network(
    source: Source,
    columns: Sequence[Attribute],
    shape: tuple[int, ...],
    rows: Rows,
    seen: NDArray[np.int64],
    progress: Progress,
) -> Classifier:
    """Return the network that predicts attributes, trained unless cached."""
    from safetensors.numpy import load, save

    recipe = scorer.RECIPE

    def trained() -> bytes:
        images = scorer.resized(source.images[seen], shape)
        how = functools.partial(_loss, np.array([c.kind == "binary" for c in columns], np.float32))
        made = classifier.train(images, rows[seen], len(columns), recipe, progress, how)
        groups = {"p": made.parameters, "b": made.buffers}
        named = ((f"{group}/{name}", x) for group, t in groups.items() for name, x in t.items())
        return bytes(save({name: np.ascontiguousarray(x) for name, x in named}))

    ends = [(c.name, c.kind, c.low, c.high) for c in columns]
    mark = repr((source.fingerprint, shape, classifier.VERSION, recipe, ends)).encode()
    name = f"scorers/attributes-{hashlib.sha256(mark).hexdigest()[:20]}.safetensors"
    tensors = load(files.cached(name, trained))
    parameters, buffers = (
        {key[2:]: x for key, x in tensors.items() if key[0] == group} for group in "pb"
    )
    return Classifier(recipe.width, len(columns), parameters, buffers)


def _loss(binary: NDArray[np.float32], scores: Tensor, labels: Rows, like: Tensor) -> Tensor:
    """Return the mean of -log p of binary attributes and the squared error of numbers."""
    each = binary * ops.softplus(-scores * labels) + (1 - binary) * (scores - labels) ** 2
    return ops.mean(each)
