"""Self-attention over positions of an image."""

from __future__ import annotations

from ganbaru import ops
from ganbaru.nn.layers import conv
from ganbaru.nn.scope import Scope, layer
from ganbaru.ops import Tensor


def softmax(x: Tensor) -> Tensor:
    """Return exp(x) / sum exp(x) over the last axis, without overflow."""
    powers = ops.exp(x - ops.max(ops.stop_gradient(x), axis=-1, keepdims=True))
    return powers / ops.sum(powers, axis=-1, keepdims=True)


@layer
def self_attention(scope: Scope, x: Tensor) -> Tensor:
    """Add to each position of (N, C, H, W) what it attends to (Zhang et al. 2019, eq. 1 to 3).

    x + gamma o, where o = W_v sum_i beta_i W_h x_i and beta is the softmax over positions i of
    (W_f x_i) . (W_g x_j). Queries and keys have C / 8 channels, values C / 2; keys and values are
    max-pooled over 2x2 positions where both sides are even, as in the paper's code. gamma starts
    at 0, so that the layer starts as the identity.
    """
    n, channels, height, width = x.shape
    narrow = max(1, channels // 8)
    query = _rows(conv(scope.child("query"), x, narrow, (1, 1)))  # (N, H W, C / 8)
    key = _rows(_pool(conv(scope.child("key"), x, narrow, (1, 1))))  # (N, H W / 4, C / 8)
    value = _rows(_pool(conv(scope.child("value"), x, max(1, channels // 2), (1, 1))))
    weights = softmax(ops.matmul(query, ops.transpose(key, (0, 2, 1))))  # (N, H W, H W / 4)
    attended = ops.transpose(ops.matmul(weights, value), (0, 2, 1))  # (N, C / 2, H W)
    attended = ops.reshape(attended, (n, attended.shape[1], height, width))
    output = conv(scope.child("output"), attended, channels, (1, 1))
    return x + output * ops.reshape(scope.parameter("gamma", (1,), "zero"), (1, 1, 1, 1))


def _rows(x: Tensor) -> Tensor:
    """Return the positions of (N, C, H, W) as rows (N, H W, C)."""
    n, channels, height, width = x.shape
    return ops.transpose(ops.reshape(x, (n, channels, height * width)), (0, 2, 1))


def _pool(x: Tensor) -> Tensor:
    """Halve (N, C, H, W) by the maximum of each 2x2 positions, if both sides are even."""
    n, channels, height, width = x.shape
    if height % 2 or width % 2:
        return x
    windows = ops.reshape(x, (n, channels, height // 2, 2, width // 2, 2))
    return ops.max(windows, axis=(3, 5))
