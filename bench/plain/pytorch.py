"""In PyTorch: modules, eager code, with the work of our step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from . import BETAS, LATENT, POOL, RATE, SLOPE, maps

Losses = dict[str, float]
bce = nn.BCEWithLogitsLoss()


def up(i: int, o: int, *how: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(i, o, *how, bias=False), nn.BatchNorm2d(o), nn.ReLU(True)]


def down(i: int, o: int, kernel: int) -> list[nn.Module]:
    return [nn.Conv2d(i, o, kernel, 2, 1, bias=False), nn.BatchNorm2d(o), nn.LeakyReLU(SLOPE, True)]


def networks(size: int, channels: int, width: int) -> tuple[nn.Sequential, nn.Sequential]:
    inner, counts, kernels = maps(size, width)
    hidden = list(zip(counts, counts[1:], kernels[1:], strict=False))
    generator = nn.Sequential(
        *up(LATENT, counts[-1], inner, 1, 0),
        *(layer for o, i, k in reversed(hidden) for layer in up(i, o, k, 2, 1)),
        nn.ConvTranspose2d(counts[0], channels, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(channels, counts[0], 4, 2, 1, bias=False), nn.LeakyReLU(SLOPE, True),
        *(layer for i, o, k in hidden for layer in down(i, o, k)),
        nn.Conv2d(counts[-1], 1, inner, 1, 0, bias=False), nn.Flatten(0),
    )  # fmt: skip
    return generator, discriminator


class Players(NamedTuple):
    g: Any
    d: Any
    g_adam: torch.optim.Optimizer
    d_adam: torch.optim.Optimizer


def players(g: nn.Module, d: nn.Module, **how: Any) -> Players:
    adams = (torch.optim.Adam(net.parameters(), lr=RATE, betas=BETAS, **how) for net in (g, d))
    return Players(g, d, *adams)


def latent(batch: int) -> torch.Tensor:
    return torch.randn(batch, LATENT, 1, 1)


def update(at: Players, real: torch.Tensor, latents: tuple[torch.Tensor, torch.Tensor]) -> Losses:
    ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
    at.d_adam.zero_grad()
    fake = at.g(latents[0]).detach()
    d_loss = bce(at.d(real), ones) + bce(at.d(fake), zeros)
    d_loss.backward()
    at.d_adam.step()
    at.g_adam.zero_grad()
    g_loss = bce(at.d(at.g(latents[1])), ones)
    g_loss.backward()
    at.g_adam.step()
    return {"d_loss": d_loss.item(), "g_loss": g_loss.item()}


def turns(
    train_step: Callable[[torch.Tensor], Losses], images: torch.Tensor
) -> Callable[[], Losses]:
    """Return a function that trains on the next batch of images."""
    batches = images.chunk(POOL)
    turn = 0

    def advance() -> Losses:
        nonlocal turn
        turn += 1
        return train_step(batches[turn % POOL])

    return advance


def noise(size: int, channels: int, batch: int) -> torch.Tensor:
    return torch.rand(POOL * batch, channels, size, size) * 2 - 1


def step(size: int, channels: int, width: int, batch: int) -> Callable[[], Losses]:
    at = players(*networks(size, channels, width))

    def train_step(real: torch.Tensor) -> Losses:
        return update(at, real, (latent(batch), latent(batch)))

    return turns(train_step, noise(size, channels, batch))
