"""Arrays in memory as an image set, with checks of type, shape and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.data.source import Labels, Original, Samples
from ganbaru.errors import InputError

MAX_CLASSES = 65_536  # more are identifiers of the images rather than classes


def of_arrays(
    name: str,
    images: NDArray[Any],
    labels: NDArray[Any] | None = None,
    classes: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Original:
    """Return images (N, H, W, C) or (N, H, W), and perhaps labels (N,), as an image set.

    `classes` are the names by label. This is what a data set of one's own returns.
    """
    samples = checked(name, images, labels, classes, notes)
    return Original(name, "", "", lambda: samples)


def checked(
    name: str,
    images: NDArray[Any],
    labels: NDArray[Any] | None = None,
    classes: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    labels_from: str = "labels array",
) -> Samples:
    """Return the arrays as (N, H, W, C) and int64 labels; raises InputError if they can't be.

    Labels without names are named by their numbers, those that occur: 1990, 2005 and 2024 are three
    classes.
    """
    shaped = _checked_images(name, images)
    if labels is None:
        return Samples(shaped, None, (), notes)
    numbers = _checked_labels(name, labels, len(shaped))
    if not classes:
        numbers, classes = compact(numbers)
        if len(classes) > MAX_CLASSES:
            raise InputError(
                f"{name}: {len(classes):,} different labels are more than the {MAX_CLASSES:,} "
                f"classes there may be. Give the number of a class as the label of each image."
            )
    elif numbers.max() >= len(classes):
        raise InputError(
            f"{name}: label {numbers.max()} has no name, since there are only {len(classes)} class "
            f"names. Give one name for each label from 0 on."
        )
    return Samples(shaped, numbers, classes, notes, labels_from)


def compact(labels: Labels, names: Sequence[str] = ()) -> tuple[Labels, tuple[str, ...]]:
    """Number the labels (N,) that occur from 0 on, and return the new labels and their names.

    The name of a label is the one in `names`, or else the label itself as text.
    """
    found, numbers = np.unique(labels, return_inverse=True)
    classes = tuple(names[label] if names else str(label) for label in found.tolist())
    return numbers.reshape(labels.shape).astype(np.int64), classes


def whole(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels of a floating-point type as whole numbers, if they all are."""
    exact = labels.dtype.kind == "f" and (np.abs(labels) < 2**53).all()
    return labels.astype(np.int64) if exact and (labels == labels.round()).all() else labels


def _checked_images(name: str, images: NDArray[Any]) -> NDArray[Any]:
    expected = "expected (N, H, W, C) with 1, 3 or 4 channels, or (N, H, W)"
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise InputError(
            f"{name}: some of the images hold NaN or infinity, as of a generator that diverged; "
            f"{expected}."
        )
    if images.dtype.kind not in "buif":
        raise InputError(f"{name}: images are {images.dtype}; {expected}, of numbers.")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or 0 in images.shape:
        raise InputError(f"{name}: images have shape {images.shape}; {expected}.")
    last, first = images.shape[3] in (1, 3), images.shape[1] in (1, 3)
    if not (last or first):  # alpha makes a fourth; 1 and 3 go first: images may be 4 pixels high
        last, first = images.shape[3] == 4, images.shape[1] == 4
    if last == first:
        why = "more than one axis can be the channels" if last else "no axis can be the channels"
        raise InputError(f"{name}: images have shape {images.shape}: {why}; {expected}.")
    if len(images) < 2:
        raise InputError(f"{name}: holds a single image; a GAN needs at least 2.")
    return images if last else images.transpose(0, 2, 3, 1)


def _checked_labels(name: str, labels: NDArray[Any], count: int) -> Labels:
    labels = whole(labels)
    if labels.ndim == 2 and len(labels) == count and labels.shape[1] > 0:
        # A column as MedMNIST's, or one-hot rows as Keras's.
        one_hot = (labels.min(1) == 0).all() and (labels.max(1) == 1).all()
        if labels.shape[1] == 1:
            labels = labels[:, 0]
        elif labels.dtype.kind in "biu" and one_hot and (labels.sum(1) == 1).all():
            labels = labels.argmax(axis=1)
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"{name}: labels are {labels.dtype} of shape {labels.shape}; expected one whole "
            f"number for each image, shape ({count},)."
        )
    if labels.min() < 0 or labels.max() >= 2**63:
        raise InputError(
            f"{name}: labels run from {labels.min()} to {labels.max()}; expected class numbers "
            f"from 0 on. Leave out images without a label, often marked -1."
        )
    return labels.astype(np.int64)
