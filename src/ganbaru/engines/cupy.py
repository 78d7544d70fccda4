"""The CuPy engine: the NumPy engine's code on a GPU's arrays."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from .numpy import *  # noqa: F403  the vocabulary is the same functions
from .numpy import FUSED as FUSED
from .numpy import compile as compile
from .numpy.autodiff import value_of


def describe(device: str) -> str:
    """Say what computes: the library's version and the GPU's name."""
    index = int(device.partition(":")[2] or 0)
    name = cupy.cuda.runtime.getDeviceProperties(index)["name"].decode()
    return f"CuPy {cupy.__version__}, {name}"


def prepare(device: str) -> None:
    """Make a GPU the one that computes; raises ValueError for one that is not there."""
    kind, _, index = device.partition(":")
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        count = 0
    if kind != "cuda" or (index and not index.isdigit()) or int(index or 0) >= count:
        raise ValueError(
            f"the cupy engine computes on 'cuda' or 'cuda:N', and {count} GPUs were found; on a "
            f"CPU take --engine numpy"
        )
    cupy.cuda.Device(int(index or 0)).use()


def default_device() -> str:
    """Return the device taken when none is asked for."""
    return "cuda"


def from_numpy(array: np.ndarray, device: str = "cuda") -> Any:
    """Copy an array to the GPU, images and kernels (N, C, H, W) channels-last in memory."""
    if array.ndim != 4:
        return cupy.asarray(array)
    return cupy.asarray(np.ascontiguousarray(array.transpose(0, 2, 3, 1))).transpose(0, 3, 1, 2)


def to_numpy(x: Any) -> np.ndarray:
    """Fetch the values of a tensor."""
    return cupy.asnumpy(value_of(x))


def synchronise() -> None:
    """Wait until the GPU has done its work."""
    cupy.cuda.get_current_stream().synchronize()
