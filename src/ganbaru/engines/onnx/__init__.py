"""The ONNX engine: a network run on it builds the ONNX graph that computes it.

Constants (weights divided by their spectral norm, batch norm's scales) are computed at once, by the
NumPy engine in float64. Sizes are numbers, except the number of images: it is a `Dim`, known when
the model runs. `ganbaru.export` writes the graph.
"""

from __future__ import annotations

from ganbaru import ops

from . import layers, shape_ops
from .shape_ops import reshape as reshape
from .tensor import BYTE as BYTE
from .tensor import FLOAT as FLOAT
from .tensor import HALF as HALF
from .tensor import Dim as Dim
from .tensor import Tensor as Tensor
from .tensor import affine as affine
from .tensor import batch as batch
from .tensor import constant as constant


class Grapher(ops.Operations, modules=(layers, shape_ops), tensors=(Tensor,)):
    """Operations that build an ONNX graph; `translate` is for training alone, and not exported."""

    FUSED = {"downsample": layers.downsample, "upsample": layers.upsample}
