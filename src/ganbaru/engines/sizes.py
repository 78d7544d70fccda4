"""Sizes of the results of operations, the same on every engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def conv_sides(x: Any, w: Any, stride: int, padding: int) -> list[int]:
    """Return the sides of what `conv2d` makes of images with kernels."""
    pairs = zip(x.shape[2:], w.shape[2:], strict=True)
    return [(side + 2 * padding - k) // stride + 1 for side, k in pairs]


def conv_transpose_sides(
    x: Any, w: Any, stride: int, padding: int, output_padding: int
) -> list[int]:
    """Return the sides of what `conv_transpose2d` makes of images with kernels."""
    pairs = zip(x.shape[2:], w.shape[2:], strict=True)
    return [(side - 1) * stride - 2 * padding + k + output_padding for side, k in pairs]


def reduced_axes(x: Any, axis: Sequence[int] | int | None) -> list[int]:
    """Return the axes that a reduction removes, from 0 up: all of them for None."""
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return sorted(a % x.ndim for a in axes)
