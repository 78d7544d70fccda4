"""Operations that pick entries: slices, translations, rows of a unit matrix."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Sequence
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
    """Copy numbers to the device, once: a recorded step may copy none from the CPU."""
    if torch.compiler.is_compiling():  # which warns of caches
        return torch.tensor(numbers, device=device)
    return _constant(numbers, device)


@functools.lru_cache(maxsize=64)
def _constant(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(numbers, device=device)
