"""The PyTorch engine: each operation by PyTorch's functions, images channels-last in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  the name by which PyTorch's users know it

from ganbaru.engines import base, sizes

from . import cuda_graph, indexing, linear_ops, training_mode
from .fused import Across, adam, batch_norm, move_towards
from .linear_ops import single
from .training_mode import on_cuda

Tensor = torch.Tensor
_depth: ContextVar[int] = ContextVar("depth", default=0)


class Engine(base.Engine, modules=(linear_ops, indexing)):
    """The PyTorch engine."""

    TENSOR_MODULES = ("torch",)
    RANKS = True
    across = staticmethod(Across.apply)
    FUSED = {
        "adam": adam,
        "batch_norm": batch_norm,
        "in_full_precision": linear_ops.in_full_precision,
        "move_towards": move_towards,
    }
    EXTRA_PRECISIONS = training_mode.EXTRA_PRECISIONS
    LIMITS = training_mode.LIMITS

    # --- devices ------------------------------------------------------------------------------

    @classmethod
    def default_device(cls) -> str:
        return "cuda" if torch.cuda.is_available() else "cpu"  # mps: only if it is named

    @classmethod
    def check_device(cls, device: str) -> None:
        try:
            torch.zeros((), device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).splitlines()[0].partition(". ")[0].rstrip(".")
            allowed = ["cpu"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())]
            allowed += ["mps"] if torch.backends.mps.is_available() else []
            raise ValueError(
                f"PyTorch says: {reason}. Allowed here: {', '.join(allowed)}"
            ) from error

    @classmethod
    def describe_device(cls, device: str) -> str:
        if on_cuda(device):
            return f"PyTorch {torch.__version__}, {torch.cuda.get_device_name(device)}"
        return f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads"

    def configure_process(self) -> None:
        if on_cuda(self.device):
            cuda_graph.exactly()

    def copy_to_device(self, array: np.ndarray) -> Tensor:
        """Copy an array; images of one channel too are channels-last.

        By their strides PyTorch chooses the layout of results.
        """
        if array.ndim == 4:
            return _copied(array.transpose(0, 2, 3, 1), self.device).permute(0, 3, 1, 2)
        return _copied(array, self.device)

    @staticmethod
    def to_numpy(x: Tensor) -> np.ndarray:
        return x.detach().cpu().numpy()

    def compile_function(self, function: Callable) -> Callable:
        """Return the function itself; on a GPU it computes in exact float32, repeatably."""
        return cuda_graph.exact(function) if on_cuda(self.device) else function

    def compile_step(self, function: Callable) -> Callable:
        return training_mode.compile_step(function, self.device, self.precision, self.fast)

    def device_dataset(self, images: np.ndarray) -> Callable[[Tensor], Tensor] | None:
        return training_mode.device_dataset(images, self.device) if self.runs_async else None

    def peak_memory(self) -> int | None:
        return torch.cuda.max_memory_reserved(self.device) if on_cuda(self.device) else None

    def synchronise(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    # --- operations ---------------------------------------------------------------------------

    exp, log, sqrt = (staticmethod(single(each)) for each in (torch.exp, torch.log, torch.sqrt))
    tanh, sigmoid = (staticmethod(single(each)) for each in (torch.tanh, torch.sigmoid))
    softplus = staticmethod(single(F.softplus))
    reshape, transpose, concat = base.statics(torch.reshape, torch.permute, torch.cat)
    broadcast_to, leaky_relu = base.statics(torch.broadcast_to, F.leaky_relu)
    stop_gradient = staticmethod(Tensor.detach)

    @staticmethod
    def maximum(x: Tensor, y: Any) -> Tensor:
        return torch.where(x >= y, x, y)

    @staticmethod
    def pad(x: Tensor, widths: Sequence[tuple[int, int]]) -> Tensor:
        return F.pad(x, [n for pair in reversed(widths) for n in pair])

    @staticmethod
    @single
    def sum(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
        return torch.sum(x, sizes.reduced_axes(x, axis), keepdims)

    @staticmethod
    @single
    def mean(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
        return torch.mean(x, sizes.reduced_axes(x, axis), keepdims)

    @staticmethod
    @single
    def max(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
        return torch.amax(x, sizes.reduced_axes(x, axis), keepdims)

    @staticmethod
    def value_and_grad(
        function: Callable, parameters: dict[str, Tensor]
    ) -> tuple[Tensor, Any, dict[str, Tensor]]:
        outer = _depth.get()
        token = _depth.set(outer + 1)
        try:
            with torch.enable_grad():
                leaves = {name: _leaf(p) for name, p in parameters.items()}
                value, auxiliary = function(leaves)
                gradients = _gradients(value, list(leaves.values()), create_graph=outer > 0)
        finally:
            _depth.reset(token)
        result = dict(zip(leaves, gradients, strict=True))
        if outer:
            return value, auxiliary, result
        return value.detach(), base.mapped(_plain, auxiliary), result


def _copied(array: np.ndarray, device: str) -> Tensor:
    tensor = torch.tensor(np.array(array, order="C"))  # keeps 0-d arrays 0-d
    if on_cuda(device):  # from pinned memory, or the copy would wait for the GPU
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def _leaf(p: Tensor) -> Tensor:
    """Return a tensor with the values of `p` that gradients are taken in.

    One that an outer gradient follows is viewed under another identity, so that what the function
    makes of it by its old one does not count.
    """
    return p.view_as(p) if p.requires_grad else p.detach().requires_grad_()


def _gradients(value: Tensor, leaves: list[Tensor], create_graph: bool) -> tuple[Tensor, ...]:
    if not value.requires_grad:  # it depends on none of them, as a slope of something linear
        return tuple(torch.zeros_like(leaf) for leaf in leaves)
    return torch.autograd.grad(
        value, leaves, create_graph=create_graph, allow_unused=True, materialize_grads=True
    )


def _plain(leaf: Any) -> Any:
    return leaf.detach() if isinstance(leaf, Tensor) else leaf
