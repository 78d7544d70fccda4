"""Operations that pick entries: slices, translations, rows of a unit matrix."""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import torch

Tensor = torch.Tensor


def slice(x: Tensor, starts: Sequence[int], stops: Sequence[int]) -> Tensor:
    return x[tuple(map(builtins.slice, starts, stops))]


def translate(images: Tensor, offsets: Tensor) -> Tensor:
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


def one_hot(labels: Any, classes: int, like: Tensor) -> Tensor:
    known = labels if isinstance(labels, Tensor) else _numbers(tuple(labels), like.device)
    # Not F.one_hot, which reads the labels first: nothing may be read while a step is recorded.
    return (known[:, None] == torch.arange(classes, device=like.device)).to(like.dtype)


def _numbers(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    """Copy numbers to the device; inside `keeping`, once."""
    # A compiler cannot read a ContextVar.
    kept = None if torch.compiler.is_compiling() else _kept.get()
    if kept is None:
        return torch.tensor(numbers, device=device)
    if (numbers, device) in kept:
        return kept[numbers, device]
    found = torch.tensor(numbers, device=device)
    if len(kept) < MOST_KEPT:
        kept[numbers, device] = found
    return found


MOST_KEPT = 1024  # lists of labels that differ in every step are no constants: no reason to grow
Constants = dict[tuple[tuple[int, ...], torch.device], Tensor]
_kept: ContextVar[Constants | None] = ContextVar("kept", default=None)


@contextlib.contextmanager
def keeping(constants: Constants) -> Iterator[None]:
    """Keep the constants of a step as long as the step, inside or in a function so decorated.

    A recorded step may copy none from the CPU, and its graph reads their memory for good.
    """
    token = _kept.set(constants)
    try:
        yield
    finally:
        _kept.reset(token)
