"""The NumPy engine: our own differentiation and convolution, on NumPy arrays (or CuPy's)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .autodiff import array_module, grad, stop_gradient, value_and_grad, value_of
from .conv import conv2d, conv_transpose2d
from .elementwise import exp, leaky_relu, log, matmul, maximum, sigmoid, softplus, sqrt, tanh
from .fused import adam, batch_norm, move_towards, normalise
from .parallel import ONE_BLAS_THREAD, thread_count
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
    translate,
    transpose,
)

__all__ = [
    "array_module", "broadcast_to", "concat", "conv2d", "conv_transpose2d", "exp", "grad",
    "leaky_relu", "log", "matmul", "max", "maximum", "mean", "one_hot", "pad", "reshape", "sigmoid",
    "slice", "softplus", "sqrt", "stop_gradient", "sum", "tanh", "translate", "transpose",
    "value_and_grad",
]  # fmt: skip

FUSED: dict[str, Callable] = {
    "adam": adam, "batch_norm": batch_norm, "move_towards": move_towards,
    "normalise": normalise,
}  # fmt: skip


def describe(device: str) -> str:
    """Say what computes: the library's version and how many threads."""
    return f"NumPy {np.__version__}, {thread_count()} threads"


def prepare(device: str) -> None:
    """Do nothing but raise ValueError for a device that this engine cannot use."""
    if device != "cpu":
        raise ValueError(
            "the numpy engine computes on 'cpu'; for a GPU take --engine cupy or torch"
        )


def default_device() -> str:
    """Return the device taken when none is asked for."""
    return "cpu"


def from_numpy(array: np.ndarray, device: str = "cpu") -> np.ndarray:
    """Copy an array in, images and kernels (N, C, H, W) channels-last in memory."""
    if array.ndim != 4:
        return np.array(array, order="C")
    return np.array(array.transpose(0, 2, 3, 1), order="C").transpose(0, 3, 1, 2)


def to_numpy(x: Any) -> np.ndarray:
    """Return the values of a tensor as an array."""
    return np.asarray(value_of(x))


def compile(function: Callable, consumes: bool = False) -> Callable:
    """Return the function with BLAS held to one thread, as operations need it, from end to end."""

    def held(*arguments: Any) -> Any:
        with ONE_BLAS_THREAD:
            return function(*arguments)

    return held


def synchronise() -> None:
    """Wait until the device has done its work: at once on a CPU."""
