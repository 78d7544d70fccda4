"""In PyTorch, structured as the official DCGAN example, which most people start from.

Eager, in the default layout: a sigmoid at D's end, BCE on its probabilities, a backward pass for
reals and another for fakes, D's weight gradients computed in G's update too, and its mean outputs
fetched as numbers. G's update reuses the fakes of D's.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from .pytorch import Losses, Players, latent, networks, noise, players, turns

bce = nn.BCELoss()


def start(net: nn.Module) -> None:
    """Initialise weights as in the paper."""
    if isinstance(net, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(net.weight, 0.0, 0.02)
    elif isinstance(net, nn.BatchNorm2d):
        nn.init.normal_(net.weight, 1.0, 0.02)
        nn.init.zeros_(net.bias)


def update(at: Players, real: torch.Tensor, latents: torch.Tensor) -> Losses:
    label = torch.full((len(real),), 1.0)
    at.d.zero_grad()
    output = at.d(real)
    on_real = bce(output, label)
    on_real.backward()
    real_mean = output.mean().item()
    fake = at.g(latents)
    label.fill_(0.0)
    output = at.d(fake.detach())
    on_fake = bce(output, label)
    on_fake.backward()
    fake_mean = output.mean().item()
    d_loss = on_real + on_fake
    at.d_adam.step()
    at.g.zero_grad()
    label.fill_(1.0)
    g_loss = bce(at.d(fake), label)
    g_loss.backward()
    at.g_adam.step()
    return {"d_loss": d_loss.item(), "g_loss": g_loss.item(), "real": real_mean, "fake": fake_mean}


def step(size: int, channels: int, width: int, batch: int) -> Callable[[], Losses]:
    generator, discriminator = networks(size, channels, width)
    discriminator.append(nn.Sigmoid())
    at = players(generator.apply(start), discriminator.apply(start))
    return turns(lambda real: update(at, real, latent(batch)), noise(size, channels, batch))
