"""Pictures of more than 8 bits a channel as arrays, of which Pillow keeps the upper byte alone.

Pillow decodes a grey picture of 16 bits as it is, but colours and grey with transparency to bytes.
There the file is decoded twice, the second time in the other order of bytes, which gives the lower
one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganbaru.data.values import FLOAT, INTEGER, bits

if TYPE_CHECKING:
    from PIL import Image

# By raw mode: the one that yields the lower byte.
LOWER = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA", "RGBX")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
}
GREY_ALPHA = "LA;16B"  # of PNG: four bytes a pixel
MIN_IS_WHITE = 0


class Deep(NamedTuple):
    """The values of a picture (H, W) or (H, W, 3), their kind, and its transparency (H, W)."""

    values: NDArray[Any]
    kind: str
    alpha: NDArray[np.uint8] | None
    inverted: bool  # whether small values are light, of a kind without a full range


def deep(image: Image.Image, again: Callable[[], Image.Image]) -> Deep | None:
    """Return the values of a picture that has more than 8 bits; None if it has 8 or fewer.

    `again` opens the file once more. The picture is turned as its camera says.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return _grey(image)
    raw = _raw_mode(image)
    if raw == GREY_ALPHA:
        pixels = np.asarray(_in_raw_mode(again(), "RGBA"), np.uint16)
        return Deep(pixels[..., 0] << 8 | pixels[..., 1], bits(16), _upper(pixels[..., 2]), False)
    if raw not in LOWER:
        return None
    lower = np.asarray(_in_raw_mode(again(), LOWER[raw]), np.uint16)
    values = np.asarray(_turned(image), np.uint16) << 8 | lower
    alpha = _upper(values[..., 3] >> 8) if values.shape[2] == 4 else _keyed(image, values[..., :3])
    return Deep(values[..., :3], bits(16), alpha, False)


def _grey(image: Image.Image) -> Deep:
    tags = getattr(image, "tag_v2", {})
    depth, whole = tags.get(258, (16,))[0], tags.get(339, (1,))[0] == 1
    inverted = tags.get(262) == MIN_IS_WHITE
    values = np.asarray(_turned(image))
    if image.mode == "F":
        if not np.isfinite(values).all():
            raise ValueError("some of its pixels are NaN or infinite")
        return Deep(values, FLOAT, None, inverted)
    if depth > 16 or not whole or values.min() < 0 or values.max() > 65535:
        return Deep(
            values.view(np.uint32) if whole and depth == 32 else values, INTEGER, None, inverted
        )
    values = values.astype(np.uint16)  # of mode I too, which Pillow has for maps of 16 bits
    alpha = _keyed(image, values)
    return Deep(np.uint16(2**depth - 1) - values if inverted else values, bits(depth), alpha, False)


def _keyed(image: Image.Image, values: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Return the transparency of a picture in which one colour is transparent."""
    key = image.info.get("transparency")
    if key is None:
        return None
    same = values == np.array(key)
    return np.where(same.all(axis=2) if values.ndim == 3 else same, 0, 255).astype(np.uint8)


def _upper(values: NDArray[Any]) -> NDArray[np.uint8]:
    return values.astype(np.uint8)


def _raw_mode(image: Any) -> str:
    """Return how an unread picture's bytes are arranged, "" if that differs within it."""
    found = {_first(each[3]) for each in image.tile}
    return found.pop() if len(found) == 1 else ""


def _first(args: Any) -> str:
    return str(args if isinstance(args, str) else args[0]) if args else ""


def _in_raw_mode(image: Any, raw: str) -> Image.Image:
    # A tile is a named tuple, in Pillow's older versions a plain one.
    make = getattr(type(image.tile[0]), "_make", tuple)
    for k, each in enumerate(image.tile):
        args = raw if isinstance(each[3], str) else (raw, *each[3][1:])
        image.tile[k] = make((*each[:3], args))
    return _turned(image)


def _turned(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    ImageOps.exif_transpose(image, in_place=True)
    return image
