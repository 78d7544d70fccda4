"""Transparency of RGBA images: over a background, multiplied into the colours, or put in order.

Alpha is straight (not premultiplied) in image sets, in the networks and in files. Where averages
are taken, colours count by their alpha: else the colours of invisible pixels would show at edges.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
WHITE = (255, 255, 255)
SQUARE = 8  # pixels of a checker's side
LIGHT, DARK = 153, 102  # its greys, on which white and black show


def over(images: Bytes, background: Any = WHITE) -> Bytes:
    """Return images (..., 4) over a background that broadcasts with (..., 3); others as they are.

    Exact to half a grey level, so opaque pixels do not change.
    """
    if images.shape[-1] != 4:
        return images
    alpha = images[..., 3:].astype(np.float32) / 255
    mixed = images[..., :3] * alpha + np.asarray(background, np.float32) * (1 - alpha)
    found: Bytes = np.rint(mixed).astype(np.uint8)
    return found


def over_checker(image: Bytes) -> Bytes:
    """Return an image (H, W, 4) over a checker of two greys; others as they are."""
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    dark = (rows // SQUARE + columns // SQUARE) % 2
    return over(image, np.where(dark, DARK, LIGHT)[..., None])


def premultiplied(images: Bytes) -> Bytes:
    """Return images (..., 4) with colours multiplied by alpha; others as they are."""
    if images.shape[-1] != 4:
        return images
    return np.concatenate([over(images, 0), images[..., 3:]], axis=-1)


def cleared(images: Bytes) -> Bytes:
    """Return images (..., 4) whose invisible pixels (alpha 0) are black; others as they are.

    A file may hold any colour there, and D would learn it.
    """
    if images.shape[-1] != 4:
        return images
    return np.where(images[..., 3:] == 0, np.uint8(0), images)
