"""In PyTorch, tuned for speed: the work of our step, and no more.

Channels last, fused Adam, no gradients of D's weights in G's update, losses fetched once.
Optionally compiled (which needs a C++ compiler), or in bfloat16 where the processor has it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from ..worker import UnableError
from .pytorch import Losses, Players, bce, latent, networks, noise, players, turns


def update(at: Players, real: torch.Tensor, latents: tuple[torch.Tensor, torch.Tensor]) -> Losses:
    ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
    with torch.no_grad():
        fake = at.g(latents[0])
    d_loss = bce(at.d(real).float(), ones) + bce(at.d(fake).float(), zeros)
    d_loss.backward()
    at.d_adam.step()
    at.d_adam.zero_grad(set_to_none=True)
    at.d.requires_grad_(False)
    g_loss = bce(at.d(at.g(latents[1])).float(), ones)
    g_loss.backward()
    at.d.requires_grad_(True)
    at.g_adam.step()
    at.g_adam.zero_grad(set_to_none=True)
    return {"d_loss": d_loss.item(), "g_loss": g_loss.item()}


def has_bf16() -> bool:
    """Say whether the processor multiplies bfloat16 itself; else it is slower than float32."""
    flags = Path("/proc/cpuinfo")
    listed = set(flags.read_text().split()) if flags.exists() else set()
    return bool(listed & {"avx512_bf16", "amx_bf16", "bf16"})


def step(
    size: int, channels: int, width: int, batch: int, compiled: bool = False, bf16: bool = False
) -> Callable[[], Losses]:
    if bf16 and not has_bf16():
        raise UnableError("this processor has no bfloat16 arithmetic")
    last = torch.channels_last
    nets = [net.to(memory_format=last) for net in networks(size, channels, width)]
    at = players(*nets, fused=True)
    precision = partial(torch.autocast, "cpu", torch.bfloat16) if bf16 else contextlib.nullcontext
    images = noise(size, channels, batch).to(memory_format=last)

    def train_step(real: torch.Tensor) -> Losses:
        with precision():
            return update(at, real, (latent(batch), latent(batch)))

    if compiled:
        at = at._replace(g=torch.compile(nets[0]), d=torch.compile(nets[1]))
        try:
            train_step(images[:batch])
        except Exception as error:  # whatever its compilers say
            reason = str(error).strip().splitlines()[0]
            raise UnableError(f"torch.compile does not work here ({reason})") from error
    return turns(train_step, images)
