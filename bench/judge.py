"""An independent judge of label accuracy: a small PyTorch classifier of the real images."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from ganbaru import config, data
from ganbaru.sampling import generators
from ganbaru.training.run_folder import Folder

FIRST_SEED = 1_000_000  # of the judged images: none was seen during training
COUNT = 10_000


def untrained(shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return an untrained classifier of images (N, C, H, W) in [0, 1]."""
    height, width, channels = shape
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * (height // 4) * (width // 4), 128), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(128, classes),
    )  # fmt: skip


def floats(images: np.ndarray) -> torch.Tensor:
    """Return bytes (N, H, W, C) as (N, C, H, W) in [0, 1]."""
    return torch.tensor(images.transpose(0, 3, 1, 2).astype(np.float32) / 255)


def train_judge(train: data.Source, epochs: int = 2) -> nn.Module:
    """Train a classifier with Adam and a one-cycle learning rate."""
    torch.manual_seed(0)
    images, labels = floats(train.images), torch.tensor(train.labels)
    net = untrained(train.images.shape[1:], len(train.classes))
    net.to(memory_format=torch.channels_last)
    batches = len(images) // 128
    optimiser = torch.optim.Adam(net.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, epochs * batches)
    for _ in range(epochs):
        for chosen in torch.randperm(len(images))[: batches * 128].split(128):
            optimiser.zero_grad()
            F.cross_entropy(net(images[chosen]), labels[chosen]).backward()
            optimiser.step()
            schedule.step()
    return net.eval()


@torch.no_grad()
def accuracy(net: nn.Module, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images (N, H, W, C) that the network classifies as labelled."""
    parts = zip(floats(images).split(500), torch.tensor(labels).split(500), strict=True)
    return sum(int((net(x).argmax(1) == y).sum()) for x, y in parts) / len(images)


@dataclass
class Judges:
    """The judges of data sets, each trained at its first use."""

    trained: dict[str, tuple[nn.Module, float]] = field(default_factory=dict)

    def of(self, run: Path) -> dict[str, float]:
        """Return label accuracy of a run's images and of real ones; {} for a run without labels."""
        generator, about = generators.load(run), config.load_yaml(Folder(run).config)
        if not generator.classes:
            return {}
        size = about["image_size"]
        net, real = self._judge(about["data"], size)
        parts = list(generator.batches(generator.seeds(COUNT, FIRST_SEED)))
        images, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
        return {"judge": accuracy(net, images, labels), "real": real}

    def _judge(self, name: str, size: str | None) -> tuple[nn.Module, float]:
        key = f"{name} {size}"
        if key not in self.trained:
            how = {"image_size": config.parse_size(size) if size else None}
            net = train_judge(data.load(name, **how))
            test = data.load(name, split="test", **how)
            self.trained[key] = net, accuracy(net, test.images, test.labels)
        return self.trained[key]
