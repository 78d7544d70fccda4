"""The NumPy engine: our own differentiation and convolution, on NumPy arrays (or CuPy's)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ganbaru.engines import base

from . import autodiff, conv, elementwise, shape_ops
from .autodiff import value_of
from .fused import adam, batch_norm, move_towards, normalise
from .parallel import ONE_BLAS_THREAD, thread_count


class Engine(
    base.Engine, modules=(autodiff, conv, elementwise, shape_ops), tensors=(autodiff.Tensor,)
):
    """The NumPy engine."""

    TENSOR_MODULES = ("numpy",)
    RANKS = True
    across = staticmethod(autodiff.across)
    FUSED = {
        "adam": adam,
        "batch_norm": batch_norm,
        "move_towards": move_towards,
        "normalise": normalise,
    }

    @classmethod
    def default_device(cls) -> str:
        return "cpu"

    @classmethod
    def check_device(cls, device: str) -> None:
        if device != "cpu":
            raise ValueError(
                "the numpy engine computes on 'cpu'; for a GPU use --engine cupy or torch"
            )

    @classmethod
    def describe_device(cls, device: str) -> str:
        return f"NumPy {np.__version__}, {thread_count()} threads"

    def copy_to_device(self, array: np.ndarray) -> Any:
        if array.ndim != 4:
            return np.array(array, order="C")
        return np.array(array.transpose(0, 2, 3, 1), order="C").transpose(0, 3, 1, 2)

    @staticmethod
    def to_numpy(x: Any) -> np.ndarray:
        return np.asarray(value_of(x))

    def compile_function(self, function: Callable) -> Callable:
        """Limit BLAS to one thread, as the operations need it, from end to end."""
        return ONE_BLAS_THREAD(function)
