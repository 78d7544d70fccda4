"""Convolutions and matrix products: their arithmetic, and the fastest form for each shape."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import torch
import torch.nn.functional as F  # noqa: N812  the name by which PyTorch's users know it

Tensor = torch.Tensor
Rule = Callable[[Tensor, Tensor], Tensor]
Arithmetic = Callable[[Rule, Tensor, Tensor], Tensor]

FEW = 4  # channels, as an image has


def matmul(x: Tensor, y: Tensor) -> Tensor:
    return _single(_multiply(torch.matmul, x, y))


def conv2d(x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, groups: int = 1) -> Tensor:
    if groups > 1:
        rule = functools.partial(_conv2d, stride=stride, padding=padding, groups=groups)
        return _multiply(rule, x, w)
    if not padding and x.shape[2:] == w.shape[2:]:
        return _multiply(_at_one_place, x, w)
    halves = not (x.shape[2] % 2 or x.shape[3] % 2) and x.requires_grad
    if halves and _by_two(w, (stride, padding, 0)) and not torch.compiler.is_compiling():
        return _multiply(_FromFew.apply, x, w)
    return _multiply(functools.partial(_conv2d, stride=stride, padding=padding), x, w)


def conv_transpose2d(
    x: Tensor, w: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    how = (stride, padding, output_padding)
    if x.shape[2:] == (1, 1) and not (padding or output_padding):
        return _multiply(_from_one_place, x, w)
    if _by_two(w, how):
        return _multiply(_by_phases, x, w)
    return _multiply(functools.partial(_conv_transpose2d, how=how), x, w)


def _by_two(w: Tensor, how: tuple[int, int, int]) -> bool:
    """Return whether kernels halve or double images of few channels, where oneDNN is slow."""
    usual = w.shape[2:] == (4, 4) and how == (2, 1, 0)
    return usual and w.shape[1] <= FEW and w.device.type == "cpu"


def _multiply(rule: Rule, x: Tensor, y: Tensor) -> Tensor:
    if torch.compiler.is_compiling():  # it cannot read a ContextVar, and no step is compiled so
        return rule(x, y)
    return _arithmetic.get()(rule, x, y)


# --- forms ------------------------------------------------------------------------------------


def _conv2d(x: Tensor, w: Tensor, stride: int, padding: int, groups: int = 1) -> Tensor:
    if x.dtype == torch.float64:  # PyTorch's slow CPU path wants its weights in plain order
        x, w = x.contiguous(), w.contiguous()
    return F.conv2d(x, w, None, stride, padding, 1, groups)


def _conv_transpose2d(x: Tensor, w: Tensor, how: tuple[int, int, int]) -> Tensor:
    return F.conv_transpose2d(x, w, None, *how)


def _at_one_place(x: Tensor, w: Tensor) -> Tensor:
    """Correlate where the kernel covers the image: a product of matrices, and views of them.

    oneDNN's convolution takes five times as long, of 64 images 7x7 with 64 channels.
    """
    rows, kernels = (t.permute(0, 2, 3, 1).reshape(t.shape[0], -1) for t in (x, w))
    return (rows @ kernels.T)[:, :, None, None]


def _from_one_place(x: Tensor, w: Tensor) -> Tensor:
    """Spread a single place: a product of matrices, whose result is channels-last as it comes.

    oneDNN's transposed convolution takes eight times as long, of 100 numbers to 64 channels 7x7.
    """
    count, outputs, *sides = w.shape
    spread = x[:, :, 0, 0] @ w.permute(0, 2, 3, 1).reshape(count, -1)
    return spread.reshape(-1, *sides, outputs).permute(0, 3, 1, 2)


def _by_phases(x: Tensor, w: Tensor) -> Tensor:
    """Double the sides by a 4x4 kernel as 2x2 kernels, one for each parity of row and column.

    Result row 2m takes x[m] w[1] + x[m-1] w[3], row 2m + 1 takes x[m] w[2] + x[m+1] w[0]. To one
    channel from 64 of 32x32 this takes 6.8 ms where oneDNN takes 18.6 (64 images, one thread), to
    many channels more.
    """
    count, outputs = w.shape[:2]
    pairs = w.flip(2, 3).reshape(count, outputs, 2, 2, 2, 2)  # row pair, phase, column pair, phase
    kernels = pairs.flip(3, 5).permute(1, 3, 5, 0, 2, 4).reshape(4 * outputs, count, 2, 2)
    if x.dtype != torch.float64:
        kernels = kernels.contiguous(memory_format=torch.channels_last)
    return F.pixel_shuffle(_conv2d(x, kernels, 1, 1), 2)[:, :, 1:-1, 1:-1]


class _FromFew(torch.autograd.Function):
    """Correlates images of few channels with 4x4 kernels; its gradient in them is by phases."""

    @staticmethod
    def forward(ctx, x, w):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x, w)
        return _conv2d(x, w, 2, 1)

    @staticmethod
    def backward(ctx, slope):  # type: ignore[no-untyped-def]
        x, w = ctx.saved_tensors
        of_x = _by_phases(slope, w) if ctx.needs_input_grad[0] else None
        return of_x, _kernel_slope(slope, x, w) if ctx.needs_input_grad[1] else None


def _kernel_slope(slope: Tensor, x: Tensor, w: Tensor) -> Tensor:
    how = ((2, 2), (1, 1), (1, 1), False, (0, 0), 1)
    wanted = (False, True, False)
    return torch.ops.aten.convolution_backward(slope, x, w, None, *how, wanted)[1]


# --- arithmetic -------------------------------------------------------------------------------


def as_they_are(rule: Rule, x: Tensor, y: Tensor) -> Tensor:
    """Multiply in the tensors' own precision."""
    return rule(x, y)


def in_bf16(rule: Rule, x: Tensor, y: Tensor) -> Tensor:
    """Multiply in bfloat16, by its own instructions: sums in float32, results rounded."""
    return rule(x.bfloat16(), y.bfloat16())


def rounded(rule: Rule, x: Tensor, y: Tensor) -> Tensor:
    """Give bfloat16's results in float32: a product of two such numbers is exact there.

    Takes 1.03 to 1.15 times float32's time; on a processor without bfloat16, PyTorch's own takes 24
    to 45 times as long.
    """
    return _rounded(rule(_rounded(x), _rounded(y)))


def _rounded(x: Tensor) -> Tensor:
    return x.bfloat16().float()


def _single(x: Tensor) -> Tensor:
    return x.float() if x.dtype == torch.bfloat16 else x


def single(rule: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a function that converts bfloat16 to float32 first: for sums, losses and images."""

    @functools.wraps(rule)
    def exact(x: Tensor, *how, **options) -> Tensor:  # type: ignore[no-untyped-def]
        return rule(_single(x), *how, **options)

    return exact


_arithmetic: ContextVar[Arithmetic] = ContextVar("arithmetic", default=as_they_are)


@contextlib.contextmanager
def using(arithmetic: Arithmetic) -> Iterator[None]:
    """Multiply by another arithmetic, inside or in a function that this decorates."""
    token = _arithmetic.set(arithmetic)
    try:
        yield
    finally:
        _arithmetic.reset(token)


def in_full_precision(x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Compute outside bfloat16; see `ganbaru.nn.scope.in_full_precision`."""
    if torch.compiler.is_compiling():
        return function(x)
    with using(as_they_are):
        return _single(function(_single(x)))
