"""Networks are functions of a scope and tensors: layers, initialisation, tracing, hooks."""

from ganbaru.nn.attention import self_attention, softmax
from ganbaru.nn.layers import (
    add_bias,
    conv,
    dense,
    downsample,
    features,
    scores,
    smooth,
    up_conv,
    upsample,
)
from ganbaru.nn.normalization import norm
from ganbaru.nn.scope import (
    LayerHooks,
    Network,
    Norm,
    Scope,
    Shape,
    apply,
    initialise,
    layer,
    parameter_count,
    tensor_shapes,
    trace,
)

__all__ = [
    "LayerHooks",
    "Network",
    "Norm",
    "Scope",
    "Shape",
    "add_bias",
    "apply",
    "conv",
    "dense",
    "downsample",
    "features",
    "initialise",
    "layer",
    "norm",
    "parameter_count",
    "scores",
    "self_attention",
    "smooth",
    "softmax",
    "tensor_shapes",
    "trace",
    "up_conv",
    "upsample",
]
