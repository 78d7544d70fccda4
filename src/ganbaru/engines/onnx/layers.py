"""Elementwise functions and layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ganbaru.engines import sizes

from .shape_ops import rows_of
from .tensor import Tensor, broadcast, constant, folding_constants, lifted


def _elementwise(name: str, operation: str) -> Callable[[Tensor], Tensor]:
    def function(x: Tensor) -> Tensor:
        return Tensor(operation, (x,), {}, x.shape)

    function.__name__ = name
    return folding_constants(function)


exp, log = _elementwise("exp", "Exp"), _elementwise("log", "Log")
sqrt, tanh = _elementwise("sqrt", "Sqrt"), _elementwise("tanh", "Tanh")
sigmoid, softplus = _elementwise("sigmoid", "Sigmoid"), _elementwise("softplus", "Softplus")


@folding_constants
def leaky_relu(x: Tensor, slope: float = 0.0) -> Tensor:
    return Tensor(
        "LeakyRelu" if slope else "Relu", (x,), {"alpha": slope} if slope else {}, x.shape
    )


@folding_constants
def maximum(x: Tensor, y: Any) -> Tensor:
    x, y = lifted(x), lifted(y)
    return Tensor("Max", (x, y), {}, broadcast(x.shape, y.shape))


@folding_constants
def stop_gradient(x: Tensor) -> Tensor:
    """Return `x`: a graph has no gradients."""
    return x


@folding_constants
def matmul(x: Tensor, y: Tensor) -> Tensor:
    """Multiply matrices; the rows of a constant, such as one-hot ones, are multiplied now."""
    if len(x.shape) > 2 or len(y.shape) > 2:
        lead = broadcast(x.shape[:-2], y.shape[:-2])
        return Tensor("MatMul", (x, y), {}, (*lead, x.shape[-2], y.shape[-1]))
    if x.operation == "Gather" and x.inputs[0].value is not None and y.value is not None:
        return rows_of(constant(x.inputs[0].value @ y.value, y.name), x.inputs[1])
    return Tensor("Gemm", (x, y), {}, (x.shape[0], y.shape[1]))


def _convolved(
    operation: str, x: Tensor, w: Tensor, count: int, out: list[int], **how: Any
) -> Tensor:
    stride, padding = how.pop("stride"), how.pop("padding")
    attributes = {"strides": [stride] * 2, "pads": [padding] * 4, **how}
    return Tensor(operation, (x, w), attributes, (x.shape[0], count, *out))


@folding_constants
def conv2d(x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, groups: int = 1) -> Tensor:
    how = {"group": groups} if groups > 1 else {}
    out = sizes.conv_sides(x, w, stride, padding)
    return _convolved("Conv", x, w, w.shape[0], out, stride=stride, padding=padding, **how)


@folding_constants
def conv_transpose2d(
    x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    out = sizes.conv_transpose_sides(x, w, stride, padding, output_padding)
    how = {"output_padding": [output_padding] * 2} if output_padding else {}
    return _convolved("ConvTranspose", x, w, w.shape[1], out, stride=stride, padding=padding, **how)


def upsample(x: Tensor) -> Tensor:
    """Double the sides of images: one operation, not five of rank 6 that few runtimes support."""
    scales = Tensor("Constant", shape=(4,), kind="single", value=np.array([1.0, 1.0, 2.0, 2.0]))
    how = {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
    }
    shape = (*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    return Tensor("Resize", (x, Tensor("Nothing"), scales), how, shape)


def downsample(x: Tensor) -> Tensor:
    """Halve the sides of images."""
    how = {"kernel_shape": [2, 2], "strides": [2, 2]}
    return Tensor("AveragePool", (x,), how, (*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2))
