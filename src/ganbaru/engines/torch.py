"""The PyTorch engine: the vocabulary in PyTorch's functions, images channels-last in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  the name by which PyTorch's users know it

Tensor = torch.Tensor
_depth: ContextVar[int] = ContextVar("depth", default=0)

exp, log, sqrt, tanh, sigmoid = torch.exp, torch.log, torch.sqrt, torch.tanh, torch.sigmoid
matmul, softplus = torch.matmul, F.softplus


def describe(device: str) -> str:
    """Say what computes: the library's version and how many threads, or the GPU's name."""
    if device.startswith("cuda"):
        return f"PyTorch {torch.__version__}, {torch.cuda.get_device_name(device)}"
    return f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads"


def prepare(device: str) -> None:
    """Do nothing but raise ValueError for a device that this PyTorch cannot use."""
    try:
        torch.zeros((), device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0].rstrip(".")
        raise ValueError(
            f"PyTorch says: {reason}. Allowed here: {', '.join(_devices())}"
        ) from error


def _devices() -> list[str]:
    found = ["cpu"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    return found + (["mps"] if torch.backends.mps.is_available() else [])


def default_device() -> str:
    """Return the device taken when none is asked for: a GPU where there is one."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def from_numpy(array: np.ndarray, device: str = "cpu") -> Tensor:
    """Copy an array to the device, images and kernels (N, C, H, W) channels-last in memory."""
    tensor = torch.tensor(np.array(array, order="C"), device=device)  # keeps 0-d arrays 0-d
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def to_numpy(x: Tensor) -> np.ndarray:
    """Fetch the values of a tensor."""
    return x.detach().cpu().numpy()


def compile(function: Callable, consumes: bool = False) -> Callable:
    """Return the function itself: PyTorch runs operations as they come."""
    return function


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


def _axes(x: Tensor, axis: Sequence[int] | int | None) -> list[int]:
    if axis is None:
        return list(range(x.ndim))
    return [axis] if isinstance(axis, int) else list(axis)


def sum(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Add up over `axis` (all axes by default)."""
    return torch.sum(x, dim=_axes(x, axis), keepdim=keepdims)


def mean(x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False) -> Tensor:
    """Average over `axis` (all axes by default)."""
    return torch.mean(x, dim=_axes(x, axis), keepdim=keepdims)


def maximum(x: Tensor, y: Any) -> Tensor:
    """Take the larger of two; in a tie the gradient goes to the first."""
    return torch.where(x >= y, x, y)


def where(condition: Tensor, x: Any, y: Any) -> Tensor:
    """Pick from `x` where `condition` holds, else from `y`."""
    return torch.where(condition, x, y)


def take(x: Tensor, index: Tensor) -> Tensor:
    """Pick rows of `x` by whole numbers `index`."""
    return F.embedding(index, x) if x.ndim == 2 else x[index]


def one_hot(labels: Tensor, classes: int, like: Tensor) -> Tensor:
    """Return labels (N,) as rows (N, classes) of zeros with a one, in the type of `like`."""
    return F.one_hot(torch.as_tensor(labels, device=like.device), classes).to(like.dtype)


def leaky_relu(x: Tensor, slope: float = 0.0) -> Tensor:
    """Return `x` where positive and ``slope * x`` elsewhere."""
    return F.leaky_relu(x, slope)


def conv2d(x: Tensor, w: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """Correlate images (N, C, H, W) with kernels (O, C, KH, KW)."""
    if x.dtype == torch.float64:  # PyTorch's slow CPU path wants its weights in plain order
        x, w = x.contiguous(), w.contiguous()
    return F.conv2d(x, w, None, stride, padding)


def conv_transpose2d(
    x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Spread (N, C, H, W) by kernels (C, O, KH, KW)."""
    return F.conv_transpose2d(x, w, None, stride, padding, output_padding)


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


def _batch_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    epsilon: float,
) -> tuple:
    """Normalise by the batch in one kernel; see `ganbaru.nn.batch_norm` for the rule."""
    average, variance = running_mean.clone(), running_var.clone()
    y = F.batch_norm(x, average, variance, weight, bias, True, momentum, epsilon)
    return y, average, variance


def _laid_out_like(x: Tensor, y: Tensor) -> Tensor:
    """Return `y` laid out in memory as `x` is: fused Adam walks memory whatever the strides say."""
    return y if x.stride() == y.stride() else torch.empty_like(x).copy_(y)


def _adam(
    parameters: dict,
    gradients: dict,
    mean: dict,
    square: dict,
    pace: tuple[int, float, float, float],
    betas: tuple[float, float],
    epsilon: float,
) -> tuple[dict, dict, dict]:
    """Make one Adam update in place, in one kernel; see `ganbaru.optim.adam` for the rule."""
    update, rate, *_ = pace
    weights, names = list(parameters.values()), list(parameters)
    steps = [torch.tensor(float(update), device=weights[0].device)] * len(weights)
    torch._fused_adam_(
        weights,
        [_laid_out_like(parameters[n], gradients[n]) for n in names],
        [mean[n] for n in names],
        [square[n] for n in names],
        [],
        steps,
        lr=rate,
        beta1=betas[0],
        beta2=betas[1],
        weight_decay=0.0,
        eps=epsilon,
        amsgrad=False,
        maximize=False,
    )
    return parameters, mean, square


def _move_towards(average: dict, target: dict, keep: float) -> dict:
    """Move running averages in place: ``average = keep * average + (1 - keep) * target``."""
    torch._foreach_lerp_(list(average.values()), [target[n] for n in average], 1 - keep)
    return average


FUSED = {"adam": _adam, "batch_norm": _batch_norm, "move_towards": _move_towards}
