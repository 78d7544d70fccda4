"""Fused forms: batch norm, Adam, moving averages, each in one kernel or a few."""

from __future__ import annotations

import contextvars
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  the name by which PyTorch's users know it

from ganbaru import ranks

Tensor = torch.Tensor


def batch_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    epsilon: float,
) -> tuple:
    """Normalise by the batch in one kernel; see `ganbaru.nn.normalization.batch_norm`."""
    if ranks.count() > 1:
        return _over_ranks(x, weight, bias, running_mean, running_var, momentum, epsilon)
    average, variance = running_mean.clone(), running_var.clone()
    y = F.batch_norm(x, average, variance, weight, bias, True, momentum, epsilon)
    return y, average, variance


def _over_ranks(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    epsilon: float,
) -> tuple:
    """Normalise by the global batch; unlike PyTorch's own, differentiable twice."""
    with torch.no_grad():  # in the kernel of one process; var_mean takes 30 times as long
        average, variance = ranks.pooled(*torch.batch_norm_update_stats(x, None, None, momentum))
        count = x.numel() // x.shape[1] * ranks.count()
        moved = running_mean.lerp(average, momentum)
        moved_var = running_var.lerp(variance * (count / max(1, count - 1)), momentum)
    y = _Normalise.apply(x, weight, bias, average, variance, epsilon)  # type: ignore[no-untyped-call]
    return y, moved, moved_var


class _Normalise(torch.autograd.Function):
    """Batch norm by the global batch's mean and variance, in PyTorch's kernels for given ones."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        x, weight, bias, average, variance, ctx.epsilon = inputs
        ctx.save_for_backward(x, weight, bias, average, variance)
        ctx.run = contextvars.copy_context().run  # a GPU's backward pass has a thread of its own
        return F.batch_norm(x, average, variance, weight, bias, False, 0.0, ctx.epsilon)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:  # type: ignore[override]
        if torch.is_grad_enabled():
            return *ctx.run(_recorded_back, ctx, slope), None, None, None
        x, weight, _, average, variance = ctx.saved_tensors
        # As if the statistics were constants; what they add needs the sums of all ranks.
        back, product, total = torch.ops.aten.native_batch_norm_backward(
            slope, x, weight, average, variance, None, None, False, ctx.epsilon, [True] * 3
        )
        if ctx.needs_input_grad[0]:
            count = x.numel() // x.shape[1] * ctx.run(ranks.count)
            products, totals = ctx.run(ranks.totals, [product, total])
            inverse = torch.rsqrt(variance + ctx.epsilon)
            scale = weight * inverse / count
            tilt = products * inverse * scale
            shape = (1, -1, *[1] * (x.ndim - 2))
            back.sub_((totals * scale - average * tilt).view(shape))
            back.addcmul_(x, tilt.view(shape), value=-1)
        return back, product, total, None, None, None


def _recorded_back(ctx: Any, slope: Tensor) -> list[Tensor | None]:
    """The same gradients in differentiable operations, for a gradient of this gradient."""
    x, weight, bias, *_ = ctx.saved_tensors
    axes, shape = (0, *range(2, x.ndim)), (1, -1, *[1] * (x.ndim - 2))
    own, average = torch.var_mean(x, axes, correction=0)
    average, variance = ranks.pooled(average, own)
    scale = weight * torch.rsqrt(variance + ctx.epsilon)
    y = torch.addcmul(bias.view(shape), x - average.view(shape), scale.view(shape))
    wanted = [a for a, needs in zip((x, weight, bias), ctx.needs_input_grad, strict=False) if needs]
    found = iter(torch.autograd.grad(y, wanted, slope, create_graph=True))
    return [next(found) if needs else None for needs in ctx.needs_input_grad[:3]]


class Across(torch.autograd.Function):
    """The sum over ranks: its gradient is the sum of theirs (`ganbaru.ranks`)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Any) -> Tensor:  # type: ignore[override]
        ctx.group = group
        total: Tensor = group.total(x)
        return total

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:  # type: ignore[override]
        return Across.apply(slope, ctx.group), None  # type: ignore[no-untyped-call]


def _laid_out_like(x: Tensor, y: Tensor) -> Tensor:
    """Return `y` in the memory layout of `x`: fused Adam ignores strides."""
    return y if x.stride() == y.stride() else torch.empty_like(x).copy_(y)


def adam(
    parameters: dict,
    gradients: dict,
    mean: dict,
    square: dict,
    pace: tuple,
    betas: tuple[float, float],
    epsilon: float,
) -> tuple[dict, dict, dict]:
    """Make one Adam update in place, in one kernel; see `ganbaru.gan.optimizers.adam` for the rule.

    The pace is numbers, or tensors of a recorded step: its inputs.
    """
    update, rate, *_ = pace
    weights, names = list(parameters.values()), list(parameters)
    steps = [torch.as_tensor(update, dtype=torch.float32, device=weights[0].device)] * len(weights)
    torch._fused_adam_(
        weights,
        [_laid_out_like(parameters[n], gradients[n]) for n in names],
        [mean[n] for n in names],
        [square[n] for n in names],
        [],
        steps,
        lr=rate.float() if isinstance(rate, Tensor) else rate,
        beta1=betas[0],
        beta2=betas[1],
        weight_decay=0.0,
        eps=epsilon,
        amsgrad=False,
        maximize=False,
    )
    return parameters, mean, square


def move_towards(average: dict, target: dict, keep: Any) -> dict:
    """Move running averages in place: ``average = keep * average + (1 - keep) * target``."""
    averages, targets = list(average.values()), [target[n] for n in average]
    if not isinstance(keep, Tensor):
        torch._foreach_lerp_(averages, targets, 1 - keep)
        return average
    ways = torch._foreach_sub(targets, averages)
    torch._foreach_mul_(ways, (1 - keep).to(averages[0].dtype))
    torch._foreach_add_(averages, ways)
    return average
