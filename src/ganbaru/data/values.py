"""Pixel values of any type to bytes, by one rule for the whole of a set.

Types with a fixed range use all of it: 16 bits are 0 to 65535 in every picture, whatever a picture
holds. Floating-point values are 0 to 1. All else, and the part of a range, needs `--range`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganbaru.coerce import Interval
from ganbaru.data.source import Images

BYTES, FLOAT, INTEGER = "8-bit", "floating-point", "integer"
ROUNDING = 1e-3  # by which floating-point values may be outside of 0 to 1


class Facts(NamedTuple):
    """What the original of one image holds, before it is cropped and resized."""

    kind: str  # of its values, such as BYTES or "16-bit"
    low: float  # the smallest value
    high: float
    flat: bool  # whether it is of a single colour
    hidden: bool = False  # whether it is so over white alone: a white drawing on transparency
    later: int = 0  # pages or frames after the first
    unmanaged: bool = False  # whether it has a colour profile that cannot be applied
    transparent: bool = False  # whether parts of it are


def bits(count: int) -> str:
    """Return the kind of whole numbers from 0 to 2^count - 1."""
    return f"{count}-bit"


def full_range(kind: str) -> Interval | None:
    """Return the values of black and white; None if a kind of values does not fix them."""
    if kind == FLOAT:
        return 0.0, 1.0
    return None if kind == INTEGER else (0.0, 2.0 ** int(kind.partition("-")[0]) - 1)


def kind_of(dtype: np.dtype[Any]) -> str:
    """Return the kind of an array's values."""
    if dtype.kind == "b":
        return bits(1)
    if dtype in (np.uint8, np.uint16):
        return bits(8 * dtype.itemsize)
    return FLOAT if dtype.kind == "f" else INTEGER


def to_bytes(values: NDArray[Any], kind: str, given: Interval | None) -> Images:
    """Scale values of any shape: those of `given`, else the full range, become 0 to 255.

    What is outside becomes 0 or 255. A kind without a range becomes 0: see `Survey.check`.
    """
    interval = given or full_range(kind)
    if interval is None:
        return np.zeros(values.shape, np.uint8)
    low, high = interval
    if values.dtype == np.uint8 and (low, high) == (0, 255):
        return values
    exact = values.dtype.kind == "b" or values.dtype.itemsize < 4 or values.dtype == np.float32
    scaled = values.astype(np.float32 if exact else np.float64)
    scaled -= low
    scaled *= 255 / (high - low)
    return scaled.round().clip(0, 255).astype(np.uint8)


def block_to_bytes(images: NDArray[Any], given: Interval | None) -> Images:
    """Scale an array (n, H, W, C) to bytes; the alpha of whole numbers has all of their range."""
    kind = kind_of(images.dtype)
    scaled = to_bytes(images, kind, given)
    if given and images.shape[3] == 4 and kind not in (FLOAT, INTEGER):
        alpha = to_bytes(images[..., 3:], kind, None)
        scaled = np.concatenate([scaled[..., :3], alpha], axis=3)
    return scaled


def facts_of_block(images: NDArray[Any], given: Interval | None = None) -> list[Facts]:
    """Return the facts of each image of an array (n, H, W, C), whose black and white are `given`.

    The values are those of the colours.
    """
    kind = kind_of(images.dtype)
    rows = images.reshape(len(images), -1, images.shape[3])
    lows, highs = rows.min(axis=1), rows.max(axis=1)
    flat = (lows == highs).all(axis=1).tolist()
    opaque = (given if kind in (FLOAT, INTEGER) and given else full_range(kind)) or (0, 0)
    seen = lows[:, 3] < opaque[1] if images.shape[3] == 4 else np.zeros(len(images), bool)
    ends = lows[:, :3].min(axis=1).tolist(), highs[:, :3].max(axis=1).tolist()
    found = zip(*ends, flat, seen.tolist(), strict=True)
    return [
        Facts(kind, float(low), float(high), one, transparent=clear)
        for low, high, one, clear in found
    ]


def described(kinds: Counter[str]) -> str:
    """Return the kinds of values in a set, such as "16-bit" or "8-bit and 16-bit"."""
    return " and ".join(sorted(kinds))
