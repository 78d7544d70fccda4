"""Operations on shapes, slices, sums and maxima."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ganbaru.engines import sizes

from .tensor import Dim, Tensor, constant, equal, folding_constants, lifted


def _filled(shape: Sequence[Any], wanted: Sequence[Any]) -> tuple[Any, ...]:
    """Replace the -1 of a wanted shape, if there is one, by the size that remains of `shape`."""
    known, named = ([n for n in sizes if not isinstance(n, Dim)] for sizes in (shape, wanted))
    left: list[Any] = [n for n in shape if isinstance(n, Dim) and not _among(n, wanted)]
    whole, given = math.prod(known), math.prod(named)
    if abs(given) != whole or not left:
        left.append(whole // abs(given))
    if -1 in named and len(left) > 1:
        raise ValueError("a reshape may not multiply it with another side")
    return tuple(left[0] if equal(n, -1) else n for n in wanted)


def _among(size: Dim, sizes: Sequence[Any]) -> bool:
    return any(size is other for other in sizes)


def _sizes(shape: Sequence[Any], unknown: int = 0) -> Tensor:
    """Return a shape as a tensor of integers; up to `unknown` open sizes may be -1 there."""
    if len([n for n in shape if isinstance(n, Dim)]) <= unknown:
        return constant([-1 if isinstance(n, Dim) else n for n in shape])
    parts = tuple(n.value if isinstance(n, Dim) else constant([n]) for n in shape)
    return Tensor("Concat", parts, {"axis": 0}, (len(shape),), "int")


@folding_constants
def reshape(x: Tensor, shape: Sequence[Any]) -> Tensor:
    full = _filled(x.shape, shape)
    return Tensor("Reshape", (x, _sizes(full, unknown=1)), {}, full, x.kind)


@folding_constants
def transpose(x: Tensor, axes: Sequence[int]) -> Tensor:
    shape = tuple(x.shape[i] for i in axes)
    return Tensor("Transpose", (x,), {"perm": list(axes)}, shape, x.kind)


@folding_constants
def broadcast_to(x: Tensor, shape: Sequence[Any]) -> Tensor:
    """Repeat `x` along its axes of length 1; ONNX leaves an axis alone whose new size is 1."""
    before = (1,) * (len(shape) - len(x.shape)) + x.shape
    sizes = [1 if equal(n, there) else n for n, there in zip(shape, before, strict=True)]
    return Tensor("Expand", (x, _sizes(sizes)), {}, tuple(shape), x.kind)


@folding_constants
def concat(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    parts = tuple(map(lifted, tensors))
    shape = list(parts[0].shape)
    shape[axis] = functools.reduce(lambda n, part: n + part.shape[axis], parts[1:], shape[axis])
    return Tensor("Concat", parts, {"axis": axis}, tuple(shape), parts[0].kind)


@folding_constants
def pad(x: Tensor, widths: Sequence[tuple[int, int]]) -> Tensor:
    before, after = zip(*widths, strict=True)
    shape = tuple(n + a + b if a + b else n for n, (a, b) in zip(x.shape, widths, strict=True))
    return Tensor("Pad", (x, constant([*before, *after])), {"mode": "constant"}, shape)


def _reduced(x: Tensor, axis: Any, keepdims: bool) -> tuple[list[int], tuple[Any, ...]]:
    """Return the axes as ONNX takes them, and the shape of the result."""
    gone = sizes.reduced_axes(x, axis)
    left = (1 if i in gone else n for i, n in enumerate(x.shape) if keepdims or i not in gone)
    return gone, tuple(left)


@folding_constants
def sum(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    axes, shape = _reduced(x, axis, keepdims)
    return Tensor("ReduceSum", (x, constant(axes)), {"keepdims": int(keepdims)}, shape)


@folding_constants
def mean(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    axes, shape = _reduced(x, axis, keepdims)
    return Tensor("ReduceMean", (x,), {"axes": axes, "keepdims": int(keepdims)}, shape)


@folding_constants
def max(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    axes, shape = _reduced(x, axis, keepdims)
    return Tensor("ReduceMax", (x,), {"axes": axes, "keepdims": int(keepdims)}, shape)


@folding_constants
def slice(x: Tensor, starts: Sequence[int], stops: Sequence[Any]) -> Tensor:
    """Return entries from `starts` up to `stops`; only axes that are cut are named."""
    parts = list(enumerate(zip(x.shape, starts, stops, strict=True)))
    cut = [i for i, (n, start, stop) in parts if not (equal(start, 0) and equal(n, stop))]
    shape = tuple(stop - start if i in cut else n for i, (n, start, stop) in parts)
    how = (constant([each[i] for i in cut]) for each in (starts, stops))
    return Tensor("Slice", (x, *how, constant(cut)), {}, shape, x.kind)


def rows_of(x: Tensor, index: Tensor) -> Tensor:
    """Pick rows of `x` by whole numbers (N,); a runtime refuses one that is out of range."""
    x = lifted(x)
    if x.value is not None and index.value is not None:
        return constant(x.value[index.value], x.name)
    return Tensor("Gather", (x, index), {"axis": 0}, (*index.shape, *x.shape[1:]))


def one_hot(labels: Any, classes: int, like: Tensor) -> Tensor:
    """Return labels (N,) as rows (N, classes): those of the unit matrix.

    A runtime refuses labels that are out of range: Gather by itself counts negative ones from the
    end, so they become `classes`, which is none.
    """
    chosen = labels if isinstance(labels, Tensor) else constant(np.asarray(labels))
    if chosen.value is None:
        negative = Tensor("Less", (chosen, constant(0)), {}, chosen.shape, "bool")
        pair = (negative, constant(classes), chosen)
        chosen = Tensor("Where", pair, {}, chosen.shape, chosen.kind)
    return rows_of(constant(np.eye(classes)), chosen)
