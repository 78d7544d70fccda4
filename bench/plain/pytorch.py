"""In PyTorch: modules, eager code, as in the official DCGAN example."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from . import BETAS, LATENT, POOL, RATE, SIZE, SLOPE


def up(i: int, o: int, *how: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(i, o, 4, *how, bias=False), nn.BatchNorm2d(o), nn.ReLU(True)]


def down(i: int, o: int) -> list[nn.Module]:
    convolution = nn.Conv2d(i, o, 4, 2, 1, bias=False)
    return [convolution, nn.BatchNorm2d(o), nn.LeakyReLU(SLOPE, True)]


def networks(w: int, channels: int) -> tuple[nn.Module, nn.Module]:
    generator = nn.Sequential(
        *up(LATENT, 8 * w, 1, 0), *up(8 * w, 4 * w, 2, 1), *up(4 * w, 2 * w, 2, 1),
        *up(2 * w, w, 2, 1),
        nn.ConvTranspose2d(w, channels, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(channels, w, 4, 2, 1, bias=False), nn.LeakyReLU(SLOPE, True),
        *down(w, 2 * w), *down(2 * w, 4 * w), *down(4 * w, 8 * w),
        nn.Conv2d(8 * w, 1, 4, 1, 0, bias=False), nn.Flatten(0),
    )  # fmt: skip
    return generator, discriminator


def step(
    width: int, channels: int, batch: int, device: str = "cpu"
) -> Callable[[], tuple[float, float]]:
    generator, discriminator = (net.to(device) for net in networks(width, channels))
    g_adam = torch.optim.Adam(generator.parameters(), lr=RATE, betas=BETAS)
    d_adam = torch.optim.Adam(discriminator.parameters(), lr=RATE, betas=BETAS)
    loss = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(batch, device=device), torch.zeros(batch, device=device)
    images = torch.rand(POOL * batch, channels, SIZE, SIZE, device=device) * 2 - 1
    turn = 0

    def fakes() -> torch.Tensor:
        return generator(torch.randn(batch, LATENT, 1, 1, device=device))

    def advance() -> tuple[float, float]:
        nonlocal turn
        real = images[torch.arange(batch, device=device) + batch * (turn % POOL)]
        turn += 1
        d_adam.zero_grad()
        fake = fakes().detach()
        d_loss = loss(discriminator(real), ones) + loss(discriminator(fake), zeros)
        d_loss.backward()
        d_adam.step()
        g_adam.zero_grad()
        g_loss = loss(discriminator(fakes()), ones)
        g_loss.backward()
        g_adam.step()
        return d_loss.item(), g_loss.item()

    return advance
