"""The CuPy engine: the NumPy engine's operations on a GPU's arrays."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from ganbaru.engines import numpy as cpu

from .numpy.autodiff import value_of


class Engine(cpu.Engine):
    """The CuPy engine."""

    TENSOR_MODULES = ("cupy",)
    RANKS = False

    @classmethod
    def default_device(cls) -> str:
        return "cuda"

    @classmethod
    def check_device(cls, device: str) -> None:
        kind, _, index = device.partition(":")
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError:
            count = 0
        if kind != "cuda" or (index and not index.isdigit()) or int(index or 0) >= count:
            raise ValueError(
                f"the cupy engine computes on 'cuda' or 'cuda:N', and {count} GPUs were found; on "
                f"a CPU use --engine numpy"
            )

    def __post_init__(self) -> None:
        cupy.cuda.Device(int(self.device.partition(":")[2] or 0)).use()

    @classmethod
    def describe_device(cls, device: str) -> str:
        index = int(device.partition(":")[2] or 0)
        name = cupy.cuda.runtime.getDeviceProperties(index)["name"].decode()
        return f"CuPy {cupy.__version__}, {name}"

    def copy_to_device(self, array: np.ndarray) -> Any:
        if array.ndim != 4:
            return cupy.asarray(array)
        return cupy.asarray(np.ascontiguousarray(array.transpose(0, 2, 3, 1))).transpose(0, 3, 1, 2)

    @staticmethod
    def to_numpy(x: Any) -> np.ndarray:
        return cupy.asnumpy(value_of(x))

    def synchronise(self) -> None:
        cupy.cuda.get_current_stream().synchronize()
