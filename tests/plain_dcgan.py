"""DCGANs as PyTorch's users write them, under the layer names of well-known programs."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def drawn(module: nn.Module, seed: int) -> nn.Module:
    """Give every tensor values far from its start, so that a wrong place shows; in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    state = module.state_dict()
    for tensor in state.values():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            spread = (2 / tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.3
            tensor.copy_(noise * spread if tensor.ndim > 1 else 1 + spread * noise.clamp(-2, 2))
        else:
            tensor.fill_(7)
    module.load_state_dict(state)
    return module.eval()


def _up(n: int, count: int, kernel: int = 4, stride: int = 2, padding: int = 1) -> list[nn.Module]:
    layer = nn.ConvTranspose2d(n, count, kernel, stride, padding, bias=False)
    return [layer, nn.BatchNorm2d(count), nn.ReLU(True)]


def _down(n: int, count: int, norm: bool = True) -> list[nn.Module]:
    layer = nn.Conv2d(n, count, 4, 2, 1, bias=False)
    return [layer, *([nn.BatchNorm2d(count)] if norm else []), nn.LeakyReLU(0.2, True)]


class OfficialGenerator(nn.Module):
    """64x64 or 32x32, as `main.0`, `main.1`, ...; latents (N, Z, 1, 1)."""

    def __init__(self, latent: int = 12, width: int = 4, channels: int = 3, maps=(8, 4, 2, 1)):
        super().__init__()
        layers = _up(latent, maps[0] * width, 4, 1, 0)
        for before, after in zip(maps, maps[1:], strict=False):
            layers += _up(before * width, after * width)
        layers += [nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh()]
        self.main = nn.Sequential(*layers)

    def forward(self, latent: Tensor) -> Tensor:
        return self.main(latent)


class OfficialDiscriminator(nn.Module):
    """Probabilities (N,) of images."""

    def __init__(self, width: int = 4, channels: int = 3, maps=(1, 2, 4, 8)):
        super().__init__()
        layers = _down(channels, maps[0] * width, norm=False)
        for before, after in zip(maps, maps[1:], strict=False):
            layers += _down(before * width, after * width)
        layers += [nn.Conv2d(maps[-1] * width, 1, 4, 1, 0, bias=False), nn.Sigmoid()]
        self.main = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        return self.main(image).view(-1)


class ConditionalGenerator(nn.Module):
    """One-hot joined to the latent; a Sequential for each layer, as `layer1.0`."""

    def __init__(self, latent: int, classes: int, width: int, channels: int):
        super().__init__()
        self.layer1 = nn.Sequential(*_up(latent + classes, 8 * width, 4, 1, 0))
        self.layer2 = nn.Sequential(*_up(8 * width, 4 * width))
        self.layer3 = nn.Sequential(*_up(4 * width, 2 * width))
        self.layer4 = nn.Sequential(*_up(2 * width, width))
        last = nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False)
        self.layer5 = nn.Sequential(last, nn.Tanh())

    def forward(self, latent: Tensor, one_hot: Tensor) -> Tensor:
        x = torch.cat([latent, one_hot], dim=1)[:, :, None, None]
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4, self.layer5):
            x = layer(x)
        return x


class PatchDiscriminator(nn.Module):
    """One-hot planes joined to the image; instance norm; logits (N, P)."""

    def __init__(self, classes: int, width: int, channels: int):
        super().__init__()
        counts = [channels + classes, width, 2 * width, 4 * width, 8 * width]
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(zip(counts, counts[1:], strict=False)):
            layers += [nn.Conv2d(before, after, 4, 2, 1)]
            layers += [nn.InstanceNorm2d(after)] if i else []
            layers += [nn.LeakyReLU(0.2)]
        self.layer = nn.Sequential(*layers)
        self.last = nn.Sequential(
            nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(8 * width, 1, 4, 1, 1, bias=False)
        )

    def forward(self, image: Tensor, one_hot: Tensor) -> Tensor:
        planes = one_hot[:, :, None, None].expand(-1, -1, *image.shape[2:])
        return self.last(self.layer(torch.cat([image, planes], dim=1))).flatten(1)


class LinearGenerator(nn.Module):
    """A linear layer without norm, then transposed convolutions called by their order."""

    def __init__(self, latent: int, width: int, channels: int):
        super().__init__()
        self.width = width
        self.fc = nn.Linear(latent, 8 * width * 16)
        self.deconv = nn.Sequential(
            *_up(8 * width, 4 * width),
            *_up(4 * width, 2 * width),
            *_up(2 * width, width),
            nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, latent: Tensor) -> Tensor:
        return self.deconv(self.fc(latent).view(-1, 8 * self.width, 4, 4))


class LinearDiscriminator(nn.Module):
    """Convolutions, then a linear layer with bias; probabilities (N, 1)."""

    def __init__(self, width: int, channels: int):
        super().__init__()
        self.conv = nn.Sequential(
            *_down(channels, width, norm=False),
            *_down(width, 2 * width),
            *_down(2 * width, 4 * width),
            *_down(4 * width, 8 * width),
        )
        self.fc = nn.Linear(8 * width * 16, 1)

    def forward(self, image: Tensor) -> Tensor:
        return torch.sigmoid(self.fc(self.conv(image).flatten(1)))


class MlpGenerator(nn.Module):
    """28x28: two linear layers, two transposed convolutions with bias, a sigmoid."""

    def __init__(self, latent: int, width: int):
        super().__init__()
        self.width = width
        self.fc = nn.Sequential(
            nn.Linear(latent, 16 * width), nn.BatchNorm1d(16 * width), nn.ReLU(),
            nn.Linear(16 * width, 98 * width), nn.BatchNorm1d(98 * width), nn.ReLU(),
        )  # fmt: skip
        self.deconv = nn.Sequential(
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1), nn.BatchNorm2d(width), nn.ReLU(),
            nn.ConvTranspose2d(width, 1, 4, 2, 1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, latent: Tensor) -> Tensor:
        return self.deconv(self.fc(latent).view(-1, 2 * self.width, 7, 7))
