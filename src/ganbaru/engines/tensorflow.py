"""The TensorFlow engine: each operation by TensorFlow's; a compiled step is one XLA program."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ganbaru.engines import base, sizes

# Before the import: TensorFlow's C++ part reads it once, and logs to stderr otherwise.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: E402

Tensor = Any  # tf.Tensor, for which TensorFlow has no types


class Engine(base.Engine):
    """The TensorFlow engine."""

    TENSOR_MODULES = ("tensorflow",)

    # --- devices ------------------------------------------------------------------------------

    @classmethod
    def default_device(cls) -> str:
        return "cuda" if tf.config.list_physical_devices("GPU") else "cpu"

    @classmethod
    def check_device(cls, device: str) -> None:
        gpus = tf.config.list_physical_devices("GPU")
        allowed = ["cpu", *(f"cuda:{i}" for i in range(len(gpus)))]
        if device not in (*allowed, *(["cuda"] if gpus else [])):
            raise ValueError(f"TensorFlow has here: {', '.join(allowed)}")

    @classmethod
    def describe_device(cls, device: str) -> str:
        if device == "cpu":
            return f"TensorFlow {tf.__version__}, {os.cpu_count()} threads"
        gpu = tf.config.list_physical_devices("GPU")[_index(device)]
        details = tf.config.experimental.get_device_details(gpu)
        return f"TensorFlow {tf.__version__}, {details.get('device_name', device)}"

    def configure_process(self) -> None:
        tf.config.experimental.enable_op_determinism()
        tf.config.experimental.enable_tensor_float_32_execution(False)

    def _here(self) -> Any:
        """Compute on this engine's device, inside."""
        return tf.device("/CPU:0" if self.device == "cpu" else f"/GPU:{_index(self.device)}")

    def copy_to_device(self, array: np.ndarray) -> Tensor:
        with self._here():
            return tf.constant(array)

    @staticmethod
    def to_numpy(x: Tensor) -> np.ndarray:
        return x.numpy()

    def compile_function(self, function: Callable) -> Callable:
        """Return the function as an XLA program for each set of shapes it is called with.

        Numbers among its arguments are inputs, in the type of the first tensor of floats.
        """
        return self._compiled(function, tf32=False)

    def compile_step(self, function: Callable) -> Callable:
        """Compile a training step; if `fast`, float32 products on a GPU keep TF32's 10 bits."""
        return self._compiled(function, tf32=self.fast)

    def _compiled(self, function: Callable, tf32: bool) -> Callable:
        # As a plain graph a step takes 1.3 times as long as users' own code, with XLA 0.8 times:
        # the transposes around each convolution cancel, and what is elementwise is fused.
        graph = tf.function(function, autograph=False, jit_compile=True)

        def call(*arguments: Any) -> Any:
            flat = tf.nest.flatten(arguments)
            kind = next(x.dtype for x in flat if tf.is_tensor(x) and x.dtype.is_floating)
            with self._here(), _float32_products(tf32):
                inputs = [tf.constant(x, kind) if isinstance(x, (int, float)) else x for x in flat]
                return graph(*tf.nest.pack_sequence_as(arguments, inputs))

        return call

    def synchronise(self) -> None:
        tf.test.experimental.sync_devices()

    # --- operations ---------------------------------------------------------------------------

    exp, log, sqrt, tanh = base.statics(tf.exp, tf.math.log, tf.sqrt, tf.tanh)
    sigmoid, softplus = base.statics(tf.sigmoid, tf.math.softplus)
    sum, mean, max = base.statics(tf.reduce_sum, tf.reduce_mean, tf.reduce_max)
    reshape, transpose, broadcast_to = base.statics(tf.reshape, tf.transpose, tf.broadcast_to)
    concat, pad, slice = base.statics(tf.concat, tf.pad, tf.strided_slice)
    matmul, stop_gradient = base.statics(tf.matmul, tf.stop_gradient)

    @staticmethod
    def translate(images: Tensor, offsets: Tensor) -> Tensor:
        return _translate(images, offsets)

    @staticmethod
    def maximum(x: Tensor, y: Any) -> Tensor:
        return tf.where(x >= y, x, y)

    @staticmethod
    def leaky_relu(x: Tensor, slope: float = 0.0) -> Tensor:
        return tf.where(x > 0, x, x * slope)  # TensorFlow's own rounds the slope to float32

    @staticmethod
    def one_hot(labels: Any, classes: int, like: Tensor) -> Tensor:
        return tf.one_hot(labels, classes, dtype=like.dtype)

    @staticmethod
    def conv2d(x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, groups: int = 1) -> Tensor:
        """Convolve groups in turn: TensorFlow has no gradients of grouped ones on a CPU."""
        last, kernel = tf.transpose(x, (0, 2, 3, 1)), tf.transpose(w, (2, 3, 1, 0))
        around = _around(padding)
        if groups == 1:
            y = tf.nn.conv2d(last, kernel, stride, around)
        elif w.shape[1] == 1:
            y = _depthwise(last, kernel, stride, padding, groups)
        else:
            pairs = zip(tf.split(last, groups, 3), tf.split(kernel, groups, 3), strict=True)
            y = tf.concat([tf.nn.conv2d(part, own, stride, around) for part, own in pairs], 3)
        return tf.transpose(y, (0, 3, 1, 2))

    @staticmethod
    def conv_transpose2d(
        x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
    ) -> Tensor:
        sides = sizes.conv_transpose_sides(x, w, stride, padding, output_padding)
        last, kernel = tf.transpose(x, (0, 2, 3, 1)), tf.transpose(w, (2, 3, 1, 0))
        shape = (x.shape[0], *sides, w.shape[1])
        y = tf.nn.conv2d_transpose(last, kernel, shape, stride, _around(padding))
        return tf.transpose(y, (0, 3, 1, 2))

    @staticmethod
    def value_and_grad(
        function: Callable, parameters: dict[str, Tensor]
    ) -> tuple[Tensor, Any, dict[str, Tensor]]:
        with tf.GradientTape() as tape:
            # Copies by identity, so that an outer tape's tensor does not count under its old one.
            leaves = {name: tf.identity(p) for name, p in parameters.items()}
            tape.watch(leaves)
            value, auxiliary = function(leaves)
        gradients = tape.gradient(value, leaves, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return value, auxiliary, gradients


@contextlib.contextmanager
def _float32_products(tf32: bool) -> Iterator[None]:
    """Let float32 products on a GPU keep TF32's 10 bits or all 23, inside.

    TensorFlow, which keeps 10 by default, reads this when it compiles and when it runs a program.
    """
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def _index(device: str) -> int:
    return int(device.partition(":")[2] or 0)


def _around(padding: int) -> list[list[int]]:
    return [[0, 0], [padding, padding], [padding, padding], [0, 0]]


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _translate(images: Tensor, offsets: Tensor) -> Any:
    moved = images
    for axis, side in ((2, images.shape[2]), (3, images.shape[3])):
        places = tf.range(side)[None] - tf.cast(offsets[:, axis - 2, None], tf.int32)
        shape = [-1, 1, *(side if i == axis else 1 for i in (2, 3))]
        inside = tf.reshape((places >= 0) & (places < side), shape)
        found = tf.gather(moved, tf.clip_by_value(places, 0, side - 1), axis=axis, batch_dims=1)
        moved = tf.where(inside, found, tf.zeros_like(found))
    return moved, lambda slope: (_translate(slope, -offsets), None)


def _depthwise(last: Tensor, kernel: Tensor, stride: int, padding: int, channels: int) -> Tensor:
    taps = tf.reshape(kernel, (*kernel.shape[:2], channels, -1))
    padded = tf.pad(last, _around(padding))
    return tf.nn.depthwise_conv2d(padded, taps, (1, stride, stride, 1), "VALID")
