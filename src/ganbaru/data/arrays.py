"""Arrays in memory as an image set, with checks of type, shape and labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.data.source import Labels, Original, Samples
from ganbaru.errors import InputError

MAX_CLASSES = 65_536  # a label beyond this is a damaged file rather than a class
FEW_CLASSES = 1000  # allowed in a set of any size, which may be a part of a larger one


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
) -> Samples:
    """Return the arrays as (N, H, W, C) and int64 labels; raises InputError if they can't be."""
    shaped = _checked_images(name, images)
    if labels is None:
        return Samples(shaped, None, (), notes)
    whole = _checked_labels(name, labels, len(shaped))
    count = len(classes) if classes else class_count(name, whole)
    if whole.max() >= count:
        raise InputError(
            f"{name}: label {whole.max()} has no name, since there are only {count} class "
            f"names. Give one name for each label from 0 on."
        )
    return Samples(shaped, whole, classes or tuple(str(k) for k in range(count)), notes)


def class_count(name: object, labels: Labels) -> int:
    """Return the number of classes, the largest label and 1; raises InputError for absurd ones.

    A network has weights for each class up to that label, whether there are images of it or not.
    """
    largest = int(labels.max())
    if largest >= max(FEW_CLASSES, len(labels)):
        raise InputError(
            f"{name}: label {largest} among {len(labels):,} images would be one of "
            f"{largest + 1:,} classes, more than there are images. Number the classes 0, 1, 2 and "
            f"so on, for example with np.unique(labels, return_inverse=True)[1]."
        )
    return largest + 1


def _checked_images(name: str, images: NDArray[Any]) -> NDArray[Any]:
    expected = "expected (N, H, W, C) with 1 or 3 channels, or (N, H, W)"
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
    if last == first:
        why = "more than one axis can be the channels" if last else "no axis can be the channels"
        raise InputError(f"{name}: images have shape {images.shape}: {why}; {expected}.")
    if len(images) < 2:
        raise InputError(f"{name}: holds a single image; a GAN needs at least 2.")
    return images if last else images.transpose(0, 2, 3, 1)


def _checked_labels(name: str, labels: NDArray[Any], count: int) -> Labels:
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"{name}: labels are {labels.dtype} of shape {labels.shape}; expected one whole "
            f"number for each image, shape ({count},)."
        )
    if labels.min() < 0 or labels.max() >= MAX_CLASSES:
        raise InputError(
            f"{name}: labels run from {labels.min()} to {labels.max()}; expected class numbers "
            f"from 0 to {MAX_CLASSES - 1}."
        )
    return labels.astype(np.int64)
