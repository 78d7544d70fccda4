"""The ONNX engine: a network run on it computes nothing, but leaves the graph that does.

What is made of constants alone (weights divided by their spectral norm, batch norm's scales) is
computed at once, by the NumPy engine in float64. Sizes are numbers, but for the number of images:
it is a `Dim`, which a model learns when it runs. `ganbaru.export` writes the graph.
"""

from __future__ import annotations

from .layers import (
    conv2d,
    conv_transpose2d,
    downsample,
    exp,
    leaky_relu,
    log,
    matmul,
    maximum,
    sigmoid,
    softplus,
    sqrt,
    stop_gradient,
    tanh,
    upsample,
)
from .shape_ops import (
    broadcast_to,
    concat,
    max,
    mean,
    one_hot,
    pad,
    reshape,
    slice,
    sum,
    transpose,
)
from .tensor import FLOAT, HALF, Dim, Tensor, affine, batch, constant

__all__ = [
    "FLOAT", "FUSED", "HALF", "Dim", "Tensor", "affine", "batch", "broadcast_to", "concat",
    "constant", "conv2d", "conv_transpose2d", "exp", "leaky_relu", "log", "matmul", "max",
    "maximum", "mean", "one_hot", "pad", "reshape", "sigmoid", "slice", "softplus", "sqrt",
    "stop_gradient", "sum", "tanh", "transpose",
]  # fmt: skip

FUSED = {
    "downsample": downsample, "upsample": upsample,
}  # fmt: skip
