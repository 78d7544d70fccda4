"""The TensorFlow engine: its functions as the vocabulary; a compiled step is one XLA program."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# Before the import: TensorFlow's C++ part reads it once, and tells of itself on stderr otherwise.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: E402

Tensor = Any  # tf.Tensor, for which TensorFlow has no types

exp, log, sqrt, tanh = tf.exp, tf.math.log, tf.sqrt, tf.tanh
sigmoid, softplus, matmul = tf.sigmoid, tf.math.softplus, tf.matmul
reshape, broadcast_to, concat = tf.reshape, tf.broadcast_to, tf.concat
stop_gradient = tf.stop_gradient
FUSED: dict[str, Callable] = {}


def describe(device: str) -> str:
    """Say what computes: the library's version and how many threads, or the GPU's name."""
    if device == "cpu":
        return f"TensorFlow {tf.__version__}, {os.cpu_count()} threads"
    details = tf.config.experimental.get_device_details(_gpu(device))
    return f"TensorFlow {tf.__version__}, {details.get('device_name', device)}"


def prepare(device: str) -> None:
    """Make the device the one that computes, the same bits in every run.

    Raises ValueError for a device that this TensorFlow does not have.
    """
    gpus = tf.config.list_physical_devices("GPU")
    allowed = ["cpu", *(f"cuda:{i}" for i in range(len(gpus)))]
    if device not in (*allowed, *(["cuda"] if gpus else [])):
        raise ValueError(f"TensorFlow has here: {', '.join(allowed)}")
    chosen = [] if device == "cpu" else [_gpu(device)]
    try:
        tf.config.set_visible_devices(chosen, "GPU")
    except RuntimeError as error:
        raise ValueError("TensorFlow is at work on another device in this process") from error
    tf.config.experimental.enable_op_determinism()


def _gpu(device: str) -> Any:
    return tf.config.list_physical_devices("GPU")[int(device.partition(":")[2] or 0)]


def default_device() -> str:
    """Return the device taken when none is asked for: a GPU where there is one."""
    return "cuda" if tf.config.list_physical_devices("GPU") else "cpu"


def from_numpy(array: np.ndarray, device: str = "cpu") -> Tensor:
    """Copy an array to the device, the one that is prepared."""
    return tf.constant(array)


def to_numpy(x: Tensor) -> np.ndarray:
    """Fetch the values of a tensor."""
    return x.numpy()


def compile(function: Callable, consumes: bool = False) -> Callable:
    """Return the function as an XLA program for each set of shapes it is called with.

    Numbers among its arguments are inputs, in the type of the first tensor of floats.
    """
    # As a plain graph a step takes 1.3 times as long as users' own code, with XLA 0.8 times: the
    # transposes around each convolution cancel, and what is elementwise is fused.
    graph = tf.function(function, autograph=False, jit_compile=True)

    def call(*arguments: Any) -> Any:
        flat = tf.nest.flatten(arguments)
        kind = next(x.dtype for x in flat if tf.is_tensor(x) and x.dtype.is_floating)
        inputs = [tf.constant(x, kind) if isinstance(x, (int, float)) else x for x in flat]
        return graph(*tf.nest.pack_sequence_as(arguments, inputs))

    return call


def synchronise() -> None:
    """Wait until the device has done its work."""
    tf.test.experimental.sync_devices()


def transpose(x: Tensor, axes: Sequence[int]) -> Tensor:
    """Reorder the axes of `x`."""
    return tf.transpose(x, axes)


def pad(x: Tensor, widths: Sequence[tuple[int, int]]) -> Tensor:
    """Surround `x` with zeros: (before, after) for each axis."""
    return tf.pad(x, widths)


def sum(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Add up over `axis` (all axes by default)."""
    return tf.reduce_sum(x, axis, keepdims)


def mean(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Average over `axis` (all axes by default)."""
    return tf.reduce_mean(x, axis, keepdims)


def max(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Return the largest entry over `axis` (all axes by default); ties share the gradient."""
    return tf.reduce_max(x, axis, keepdims)


def slice(x: Tensor, starts: Sequence[int], stops: Sequence[int]) -> Tensor:
    """Return entries from `starts` up to `stops` on each axis."""
    return tf.slice(x, starts, [stop - start for start, stop in zip(starts, stops, strict=True)])


@tf.custom_gradient  # type: ignore[untyped-decorator]
def translate(images: Tensor, offsets: Tensor) -> Any:
    """Move images (N, C, H, W) by whole pixels `offsets` (N, 2), down and right; zeros enter."""
    moved = images
    for axis, side in ((2, images.shape[2]), (3, images.shape[3])):
        places = tf.range(side)[None] - tf.cast(offsets[:, axis - 2, None], tf.int32)
        shape = [-1, 1, *(side if i == axis else 1 for i in (2, 3))]
        inside = tf.reshape((places >= 0) & (places < side), shape)
        found = tf.gather(moved, tf.clip_by_value(places, 0, side - 1), axis=axis, batch_dims=1)
        moved = tf.where(inside, found, tf.zeros_like(found))
    return moved, lambda slope: (translate(slope, -offsets), None)


def maximum(x: Tensor, y: Any) -> Tensor:
    """Take the larger of two; in a tie the gradient goes to the first."""
    return tf.where(x >= y, x, y)


def one_hot(labels: Any, classes: int, like: Tensor) -> Tensor:
    """Return labels (N,) as rows (N, classes) of zeros with a one, in the type of `like`."""
    return tf.one_hot(labels, classes, dtype=like.dtype)


def leaky_relu(x: Tensor, slope: float = 0.0) -> Tensor:
    """Return `x` where positive and ``slope * x`` elsewhere."""
    return tf.where(x > 0, x, x * slope)  # TensorFlow's own rounds the slope to float32


def conv2d(x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, groups: int = 1) -> Tensor:
    """Correlate images (N, C, H, W) with kernels (O, C / groups, KH, KW).

    TensorFlow has no gradients of grouped convolutions on a CPU, so groups are convolved in turn.
    """
    last, kernel = tf.transpose(x, (0, 2, 3, 1)), tf.transpose(w, (2, 3, 1, 0))
    around = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    if groups == 1:
        y = tf.nn.conv2d(last, kernel, stride, around)
    elif w.shape[1] == 1:
        y = _depthwise(last, kernel, stride, padding, groups)
    else:
        pairs = zip(tf.split(last, groups, 3), tf.split(kernel, groups, 3), strict=True)
        y = tf.concat([tf.nn.conv2d(part, of_it, stride, around) for part, of_it in pairs], 3)
    return tf.transpose(y, (0, 3, 1, 2))


def _depthwise(last: Tensor, kernel: Tensor, stride: int, padding: int, channels: int) -> Tensor:
    height, width = kernel.shape[:2]
    around = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    taps = tf.reshape(kernel, (height, width, channels, -1))
    return tf.nn.depthwise_conv2d(tf.pad(last, around), taps, (1, stride, stride, 1), "VALID")


def conv_transpose2d(
    x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Spread (N, C, H, W) by kernels (C, O, KH, KW)."""
    grown = output_padding - 2 * padding
    sides = [(n - 1) * stride + k + grown for n, k in zip(x.shape[2:], w.shape[2:], strict=True)]
    last, kernel = tf.transpose(x, (0, 2, 3, 1)), tf.transpose(w, (2, 3, 1, 0))
    around = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    shape = (x.shape[0], *sides, w.shape[1])
    y = tf.nn.conv2d_transpose(last, kernel, shape, stride, around)
    return tf.transpose(y, (0, 3, 1, 2))


def value_and_grad(function: Callable, parameters: dict[str, Tensor]) -> tuple[Tensor, Any, dict]:
    """Return (value, auxiliary, gradients) of ``function(parameters) -> (value, auxiliary)``."""
    with tf.GradientTape() as tape:
        # Another name for each, so that an outer tape's tensor is not counted under its old one.
        leaves = {name: tf.identity(p) for name, p in parameters.items()}
        tape.watch(leaves)
        value, auxiliary = function(leaves)
    gradients = tape.gradient(value, leaves, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    # Those of rows taken from a table come as the rows alone.
    return value, auxiliary, {name: tf.convert_to_tensor(g) for name, g in gradients.items()}


def grad(function: Callable, x: Tensor) -> Tensor:
    """Return the gradient of the scalar ``function(x)`` at `x`, itself differentiable."""
    _, _, gradients = value_and_grad(lambda p: (function(p["x"]), None), {"x": x})
    return gradients["x"]
