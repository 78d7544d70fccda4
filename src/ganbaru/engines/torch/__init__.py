"""The PyTorch engine: the vocabulary in PyTorch's functions, images channels-last in memory."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  the name by which PyTorch's users know it

from . import cuda_graph
from .fused import FUSED as FUSED
from .linear_ops import conv2d as conv2d
from .linear_ops import conv_transpose2d as conv_transpose2d
from .linear_ops import matmul as matmul
from .linear_ops import single
from .training_mode import PRECISIONS as PRECISIONS
from .training_mode import compile_step as compile_step
from .training_mode import hold as hold
from .training_mode import on_cuda

Tensor = torch.Tensor
_depth: ContextVar[int] = ContextVar("depth", default=0)

exp, log, sqrt = single(torch.exp), single(torch.log), single(torch.sqrt)
tanh, sigmoid, softplus = single(torch.tanh), single(torch.sigmoid), single(F.softplus)


def describe(device: str) -> str:
    """Say what computes: the library's version and how many threads, or the GPU's name."""
    if on_cuda(device):
        return f"PyTorch {torch.__version__}, {torch.cuda.get_device_name(device)}"
    return f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads"


def prepare(device: str) -> None:
    """Make the device ready; raises ValueError for one that this PyTorch cannot use."""
    try:
        torch.zeros((), device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0].rstrip(".")
        raise ValueError(
            f"PyTorch says: {reason}. Allowed here: {', '.join(_devices())}"
        ) from error
    if on_cuda(device):
        cuda_graph.exactly()


def _devices() -> list[str]:
    found = ["cpu"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    return found + (["mps"] if torch.backends.mps.is_available() else [])


def default_device() -> str:
    """Return the device taken when none is asked for: a GPU where there is one."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def from_numpy(array: np.ndarray, device: str = "cpu") -> Tensor:
    """Copy an array to the device, images and kernels (N, C, H, W) channels-last in memory.

    Images of one channel too: by their strides PyTorch chooses the layout of what it makes of them.
    """
    if array.ndim == 4:
        return _copied(array.transpose(0, 2, 3, 1), device).permute(0, 3, 1, 2)
    return _copied(array, device)


def _copied(array: np.ndarray, device: str) -> Tensor:
    tensor = torch.tensor(np.array(array, order="C"))  # keeps 0-d arrays 0-d
    if on_cuda(device):  # from pinned memory, or the copy would wait for the GPU
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def to_numpy(x: Tensor) -> np.ndarray:
    """Fetch the values of a tensor."""
    return x.detach().cpu().numpy()


def compile(function: Callable, consumes: bool = False) -> Callable:
    """Return the function itself: PyTorch runs operations as they come."""
    return function


# --- the vocabulary ---------------------------------------------------------------------------


def synchronise() -> None:
    """Wait until the device has done its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Give `x` another shape of the same size; one entry may be -1."""
    return x.reshape(shape)


def transpose(x: Tensor, axes: Sequence[int]) -> Tensor:
    """Reorder the axes of `x`."""
    return x.permute(*axes)


def broadcast_to(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Repeat `x` along its axes of length 1 up to `shape`."""
    return x.expand(*shape)


def concat(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join tensors along an axis."""
    return torch.cat(list(tensors), dim=axis)


def pad(x: Tensor, widths: Sequence[tuple[int, int]]) -> Tensor:
    """Surround `x` with zeros: (before, after) for each axis."""
    return F.pad(x, [n for pair in reversed(widths) for n in pair])


def slice(x: Tensor, starts: Sequence[int], stops: Sequence[int]) -> Tensor:
    """Return entries from `starts` up to `stops` on each axis."""
    return x[tuple(map(builtins.slice, starts, stops))]


def translate(images: Tensor, offsets: Tensor) -> Tensor:
    """Move images (N, C, H, W) by whole pixels `offsets` (N, 2), down and right; zeros enter."""
    moved: Tensor = _Translate.apply(images, offsets)  # type: ignore[no-untyped-call]
    return moved


class _Translate(torch.autograd.Function):
    """Picks pixels by index; its gradient moves back, instead of adding pixel by pixel."""

    @staticmethod
    def forward(ctx, images, offsets):  # type: ignore[no-untyped-def]
        ctx.offsets = offsets
        n, _, *sides = images.shape
        places = [
            torch.arange(side, device=images.device) - offsets[:, i, None]
            for i, side in enumerate(sides)
        ]
        inside = [(p >= 0) & (p < side) for p, side in zip(places, sides, strict=True)]
        rows, columns = (p.clamp(0, side - 1) for p, side in zip(places, sides, strict=True))
        each = torch.arange(n, device=images.device)[:, None, None]
        last = images.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]]
        seen = inside[0][:, :, None, None] & inside[1][:, None, :, None]
        return (last * seen).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, slope):  # type: ignore[no-untyped-def]
        return translate(slope, -ctx.offsets), None


def _axes(x: Tensor, axis: Sequence[int] | int | None) -> list[int]:
    if axis is None:
        return list(range(x.ndim))
    return [axis] if isinstance(axis, int) else list(axis)


@single
def sum(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Add up over `axis` (all axes by default)."""
    return torch.sum(x, dim=_axes(x, axis), keepdim=keepdims)


@single
def mean(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Average over `axis` (all axes by default)."""
    return torch.mean(x, dim=_axes(x, axis), keepdim=keepdims)


@single
def max(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Return the largest entry over `axis` (all axes by default); ties share the gradient."""
    return torch.amax(x, dim=_axes(x, axis), keepdim=keepdims)


def maximum(x: Tensor, y: Any) -> Tensor:
    """Take the larger of two; in a tie the gradient goes to the first."""
    return torch.where(x >= y, x, y)


def one_hot(labels: Tensor, classes: int, like: Tensor) -> Tensor:
    """Return labels (N,) as rows (N, classes) of zeros with a one, in the type of `like`."""
    known = labels if isinstance(labels, Tensor) else _numbers(tuple(labels), like.device)
    # Not F.one_hot, which looks at the labels first: a recorded step may look at nothing.
    return (known[:, None] == torch.arange(classes, device=like.device)).to(like.dtype)


def _numbers(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    """Bring numbers to the device, once: a recorded step may copy none from elsewhere."""
    if torch.compiler.is_compiling():  # which warns of what is kept between calls
        return torch.tensor(numbers, device=device)
    return _constant(numbers, device)


@functools.lru_cache(maxsize=64)
def _constant(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(numbers, device=device)


def leaky_relu(x: Tensor, slope: float = 0.0) -> Tensor:
    """Return `x` where positive and ``slope * x`` elsewhere."""
    return F.leaky_relu(x, slope)


def stop_gradient(x: Tensor) -> Tensor:
    """Return the values of `x`, through which no gradient flows."""
    return x.detach()


def value_and_grad(function: Callable, parameters: dict[str, Tensor]) -> tuple[Tensor, Any, dict]:
    """Return (value, auxiliary, gradients) of ``function(parameters) -> (value, auxiliary)``."""
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
    return (value, auxiliary, result) if outer else (value.detach(), _plain(auxiliary), result)


def _leaf(p: Tensor) -> Tensor:
    """Return a tensor with the values of `p` to which gradients are counted.

    One that an outer gradient follows gets another name, so that what the function makes of it
    under its old name is not counted.
    """
    return p.view_as(p) if p.requires_grad else p.detach().requires_grad_()


def _gradients(value: Tensor, leaves: list[Tensor], create_graph: bool) -> tuple[Tensor, ...]:
    if not value.requires_grad:  # it depends on none of them, as a slope of something linear
        return tuple(torch.zeros_like(leaf) for leaf in leaves)
    return torch.autograd.grad(
        value, leaves, create_graph=create_graph, allow_unused=True, materialize_grads=True
    )


def grad(function: Callable, x: Tensor) -> Tensor:
    """Return the gradient of the scalar ``function(x)`` at `x`, itself differentiable."""
    _, _, gradients = value_and_grad(lambda p: (function(p["x"]), None), {"x": x})
    return gradients["x"]


def _plain(nest: Any) -> Any:
    """Detach every tensor in nested dicts, lists and tuples."""
    if isinstance(nest, dict):
        return {key: _plain(item) for key, item in nest.items()}
    if isinstance(nest, (list, tuple)):
        return type(nest)(_plain(item) for item in nest)
    return nest.detach() if isinstance(nest, Tensor) else nest
