"""Label accuracy of a conditional run, by a classifier trained on the real images.

python -m bench.quality --data mnist --train mnist --minutes 2     trains (flags of train), judges
python -m bench.quality --data mnist --run runs/NAME               judges a run

The judge is a small convolutional net (PyTorch) of its own, trained on the training split; its
accuracy on the real test split is printed beside the figure.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from ganbaru import data, sample


def judge(shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return an untrained classifier of images (N, C, H, W) in [0, 1]."""
    height, width, channels = shape
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * (height // 4) * (width // 4), 128), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(128, classes),
    )  # fmt: skip


def tensors(source: data.Source) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a source's images in [0, 1] and labels."""
    images = torch.tensor(source.images.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    return images, torch.tensor(source.labels)


def train_judge(train: data.Source, epochs: int) -> nn.Module:
    """Train a classifier with Adam and a falling rate."""
    torch.manual_seed(0)
    images, labels = tensors(train)
    net = judge(train.images.shape[1:], len(train.classes)).to(memory_format=torch.channels_last)
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
def accuracy(net: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of images that the net gives their label."""
    parts = zip(images.split(500), labels.split(500), strict=True)
    return sum(int((net(x).argmax(1) == y).sum()) for x, y in parts) / len(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--train", default="", help="a preset to train first")
    parser.add_argument("--run", default="")
    parser.add_argument("--epochs", type=int, default=3, help="of the judge")
    parser.add_argument("-n", type=int, default=10_000)
    wanted, flags = parser.parse_known_args()
    if not wanted.run:
        wanted.run = str(Path(tempfile.mkdtemp()) / wanted.train)
        command = [sys.executable, "-m", "ganbaru", "train", wanted.train, "--run", wanted.run]
        command += flags
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout[-900:])
    started = time.perf_counter()
    generator = sample.load(wanted.run)
    parts = list(generator.batches(generator.seeds(wanted.n, 1_000_000)))
    images = np.concatenate([part for part, _ in parts])
    labels = np.concatenate([part for _, part in parts])
    made = time.perf_counter() - started
    train, test = data.load(wanted.data), data.load(wanted.data, split="test")
    net = train_judge(train, wanted.epochs)
    fakes = torch.tensor(images.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    print(f"judge on real test images: {accuracy(net, *tensors(test)):.4f}")
    print(f"label accuracy of {wanted.n} images: {accuracy(net, fakes, torch.tensor(labels)):.4f}")
    print(
        f"sampling: {wanted.n / made:.0f} images/s; pixel deviation over images "
        f"{fakes.std(0).mean():.3f}, of real {tensors(test)[0].std(0).mean():.3f}"
    )


if __name__ == "__main__":
    main()
