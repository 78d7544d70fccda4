"""Batch, instance, layer, RMS and spectral normalisation; minibatch deviation as a feature."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ganbaru import ops, ranks
from ganbaru.errors import InputError, pick
from ganbaru.nn.scope import Network, Norm, Scope, hooked, in_full_precision, layer
from ganbaru.ops import Tensor

BATCH_NORM_MOMENTUM = 0.1
BATCH_NORM_EPSILON = 1e-5
UNIT_EPSILON = 1e-12  # added to squared lengths
SPECTRAL_FLOOR = 1e-2  # below the norm of any first weight but zero: N(0, 0.02) has at least 0.02


def batch_norm(scope: Scope, x: Tensor) -> Tensor:
    """Normalise each channel of (N, C, H, W) or (N, C) (Ioffe and Szegedy 2015).

    y = weight (x - mean) / sqrt(variance + 1e-5) + bias. In training the batch's mean and biased
    variance are used, and the running ones move by a tenth towards the mean and the *unbiased*
    variance, PyTorch's rule; in inference the running ones are used.
    """
    channels = (x.shape[1],)
    weight = scope.parameter("weight", channels, "scale")
    return plain_batch_norm(scope, x, weight, scope.parameter("bias", channels, "offset"))


@layer
def norm(scope: Scope, x: Tensor, default: Norm = batch_norm) -> Tensor:
    """Normalise (N, C, H, W) or (N, C) by `default`, unless the hook `norm` replaces it."""
    return scope.hooks.norm(scope, x, default)


def plain_batch_norm(
    scope: Scope, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None
) -> Tensor:
    """Batch norm with the given scale and offset (C,), or with neither."""
    channels = (x.shape[1],)
    average = scope.buffer("running_mean", channels, 0.0)
    variance = scope.buffer("running_var", channels, 1.0)
    if weight is None:
        weight, bias = average * 0.0 + 1.0, average * 0.0
    if not scope.training:
        return normalise(x, average, variance, weight, bias, BATCH_NORM_EPSILON)
    y, average, variance = normalise_batch(
        x, weight, bias, average, variance, BATCH_NORM_MOMENTUM, BATCH_NORM_EPSILON
    )
    scope.update("running_mean", average)
    scope.update("running_var", variance)
    return y


def class_batch_norm(scope: Scope, x: Tensor, one_hot: Tensor) -> Tensor:
    """Batch norm with a scale and an offset for each label (de Vries et al. 2017, eq. 3 and 4).

    `one_hot` is (N, classes); the tables are (classes, C).
    """
    classes, channels = one_hot.shape[1], x.shape[1]
    shape = (-1, channels, *([1] * (len(x.shape) - 2)))
    scale = ops.matmul(one_hot, scope.parameter("class_weight", (classes, channels), "scale"))
    offset = ops.matmul(one_hot, scope.parameter("class_bias", (classes, channels), "offset"))
    y = plain_batch_norm(scope, x)
    return y * ops.reshape(scale, shape) + ops.reshape(offset, shape)


def instance_norm(x: Tensor) -> Tensor:
    """Normalise each channel of each image (N, C, H, W) by itself (Ulyanov et al. 2016, eq. 1).

    No scale, offset or running statistics, as in PyTorch's InstanceNorm2d by default.
    """
    centred = x - ops.mean(x, axis=(2, 3), keepdims=True)
    variance = ops.mean(centred * centred, axis=(2, 3), keepdims=True)
    return centred / ops.sqrt(variance + BATCH_NORM_EPSILON)


def _affine(scope: Scope, x: Tensor, offset: bool) -> Tensor:
    """Multiply each channel by a trained scale, and add a trained offset."""
    scale = scope.parameter("weight", (x.shape[1],), "scale")
    y = x * ops.reshape(scale, _per_channel(x))
    if not offset:
        return y
    return y + ops.reshape(scope.parameter("bias", (x.shape[1],), "offset"), _per_channel(x))


def layer_norm(scope: Scope, x: Tensor) -> Tensor:
    """Normalise each image (N, C, H, W), or row (N, C), as a whole (Ba, Kiros and Hinton 2016).

    With a scale and an offset for each channel, as in PyTorch's GroupNorm of one group.
    """
    axes = tuple(range(1, len(x.shape)))
    centred = x - ops.mean(x, axis=axes, keepdims=True)
    variance = ops.mean(centred * centred, axis=axes, keepdims=True)
    return _affine(scope, centred / ops.sqrt(variance + BATCH_NORM_EPSILON), offset=True)


def rms_norm(scope: Scope, x: Tensor) -> Tensor:
    """Divide each image (N, C, H, W), or row (N, C), by its root mean square, and scale channels.

    Zhang and Sennrich 2019, eq. 4.
    """
    squares = ops.mean(x * x, axis=tuple(range(1, len(x.shape))), keepdims=True)
    return _affine(scope, x / ops.sqrt(squares + BATCH_NORM_EPSILON), offset=False)


def _instance_norm(scope: Scope, x: Tensor) -> Tensor:
    if math.prod(x.shape[2:]) == 1:
        raise InputError(
            f"--norm instance normalises each channel over its positions, and {scope.path} has one "
            f"position, whose channels would all be 0: take --norm layer."
        )
    return instance_norm(x)


def unchanged(scope: Scope, x: Tensor) -> Tensor:
    """Return x: no normalisation, in the place where --norm may put one."""
    return x


# What --norm takes. Under all but batch norm the score of an image depends on that image alone.
NORMS: dict[str, Norm] = {
    "none": unchanged,
    "batch": batch_norm,
    "instance": _instance_norm,
    "layer": layer_norm,
    "rms": rms_norm,
}


def with_norm(network: Network, name: str) -> Network:
    """Wrap a network so that each of its normalisations is the one of `NORMS` by that name."""
    chosen = pick("--norm", name, NORMS, "auto")
    if chosen is unchanged:  # a network without any has that already
        return lambda scope, *inputs: network(scope.using(norm=_replaced_by(chosen)), *inputs)
    unused = (
        f"--norm {name} replaces the normalisation of a discriminator, and this one has no place "
        f"for any: take --norm auto, or another --network."
    )
    return hooked(network, "norm", _replaced_by(chosen), unused)


def _replaced_by(chosen: Norm) -> Callable[[Scope, Tensor, Norm], Tensor]:
    return lambda scope, x, default: chosen(scope, x)


def spectral_norm(scope: Scope, weight: Tensor, outputs: int) -> Tensor:
    """Divide a weight by its largest singular value (Miyato et al. 2018, algorithm 1).

    The weight counts as a matrix (O, K) with a row for each output channel, axis `outputs`. In
    training one power iteration improves the left vector, the buffer `left`; no gradient flows
    through the vectors. A singular value below 0.01, such as that of a weight that starts at zero,
    counts as 0.01. All of it is in full precision: bf16's 8 bits would move the weight by up to
    0.4 %.
    """
    return in_full_precision(weight, lambda w: _of_unit_norm(scope, w, outputs))


def _of_unit_norm(scope: Scope, weight: Tensor, outputs: int) -> Tensor:
    count = weight.shape[outputs]
    axes = (outputs, *(i for i in range(len(weight.shape)) if i != outputs))
    matrix = ops.reshape(ops.transpose(weight, axes), (count, -1))
    fixed = ops.stop_gradient(matrix)
    left = _unit(scope.buffer("left", (1, count), 1.0))
    right = _unit(ops.matmul(left, fixed))  # (1, K)
    if scope.training:
        found = _unit(ops.matmul(right, ops.transpose(fixed, (1, 0))))
        # Of length 1, but 0 for a matrix of zeros: the vector before it stays.
        left = found + left * (1.0 - ops.sum(found * found))
        scope.update("left", left)
    return weight / ops.maximum(ops.sum(ops.matmul(left, matrix) * right), SPECTRAL_FLOOR)


def _unit(x: Tensor) -> Tensor:
    return x / ops.sqrt(ops.sum(x * x) + UNIT_EPSILON)


def with_spectral_norm(network: Network) -> Network:
    """Wrap a network so that each of its weights is divided by its spectral norm."""
    return lambda scope, *inputs: network(scope.using(weight=spectral_norm), *inputs)


def with_minibatch_deviation(network: Network) -> Network:
    """Wrap a discriminator so that its last layers see the deviation within the batch."""
    unused = (
        "--minibatch-deviation joins the deviation to features that the network passes through "
        "nn.features(scope, x), and this one passes none: call it on the input of the last layer "
        "with a nonlinearity behind it."
    )
    return hooked(network, "features", minibatch_deviation, unused)


def minibatch_deviation(x: Tensor, group: int = 4) -> Tensor:
    """Append the mean deviation within groups of images as a channel (Karras et al. 2018, sec. 3).

    Groups have the largest size up to `group` that divides the batch; image i is in group
    i mod (N / size). (N, C, H, W) becomes (N, C + 1, H, W), and (N, C) becomes (N, C + 1).
    The batch is the global one: where its groups are not of one rank each, ranks exchange features.
    """
    if len(x.shape) == 2:
        joined = minibatch_deviation(ops.reshape(x, (*x.shape, 1, 1)), group)
        return ops.reshape(joined, (x.shape[0], -1))
    n, channels, height, width = x.shape
    alone = ranks.count() == 1  # then n may be symbolic, in an ONNX export
    size = _largest_divisor(n if alone else n * ranks.count(), group)
    if alone or n % size == 0:
        return ops.concat([x, _deviation(x, size)], axis=1)
    spread = _deviation(ranks.whole_batch(x), size)
    return ops.concat([x, ranks.own_part(spread)], axis=1)


def _deviation(x: Tensor, size: int) -> Tensor:
    """Return the mean deviation within groups of `size` images as a channel (N, 1, H, W)."""
    n, channels, height, width = x.shape
    grouped = ops.reshape(x, (size, n // size, channels, height, width))
    centred = grouped - ops.mean(grouped, axis=0, keepdims=True)
    deviation = ops.sqrt(ops.mean(centred * centred, axis=0) + 1e-8)
    each = ops.reshape(ops.mean(deviation, axis=(1, 2, 3)), (1, n // size, 1, 1, 1))
    spread = ops.broadcast_to(each, (size, n // size, 1, height, width))
    return ops.reshape(spread, (n, 1, height, width))


def _largest_divisor(n: Any, most: int) -> Any:
    """Return the largest of 1 to `most` that divides `n`, which is symbolic in an ONNX export."""
    if hasattr(n, "largest_divisor"):
        return n.largest_divisor(most)
    return max(size for size in range(1, min(most, n) + 1) if n % size == 0)


@ops.composed("batch_norm")
def normalise_batch(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch norm as single operations: the reference for every engine's fused form.

    Statistics are those of the global batch, on every rank.
    """
    axes = (0, *range(2, len(x.shape)))
    count = math.prod(x.shape[i] for i in axes) * ranks.count()
    average = ops.mean(x, axis=axes)
    centred = x - ops.reshape(average, _per_channel(x))
    average, variance = ranks.pooled(average, ops.mean(centred * centred, axis=axes))
    y = normalise(x, average, variance, weight, bias, epsilon)
    unbiased = variance * (count / max(1, count - 1))
    return (
        y,
        running_mean * (1 - momentum) + average * momentum,
        running_var * (1 - momentum) + unbiased * momentum,
    )


def _per_channel(x: Tensor) -> tuple[int, ...]:
    return (1, x.shape[1], *([1] * (len(x.shape) - 2)))


@ops.composed("normalise")
def normalise(
    x: Tensor, average: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, epsilon: float
) -> Tensor:
    """Batch norm by given statistics, as single operations."""
    shape = _per_channel(x)
    scale = ops.reshape(weight / ops.sqrt(variance + epsilon), shape)
    return (x - ops.reshape(average, shape)) * scale + ops.reshape(bias, shape)
