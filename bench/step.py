"""Time of a training step: plain PyTorch, our PyTorch engine and our NumPy engine, in one run.

python -m bench.step            the 64x64 DCGAN (width 64, grey) and the small net (width 32, RGB)
python -m bench.step --memory   peak memory of each contestant, each in a process of its own

A step is one D and one G update of batch 64, non-saturating, Adam, float32, on random images in
memory, on all cores (limit them from outside, e.g. with taskset). The contestants take turns,
round by round, so that a busy machine slows all of them; medians and their ratios are printed.
"""

from __future__ import annotations

import argparse
import functools
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from ganbaru import data, engines, model, rules, step
from ganbaru.config import Config
from ganbaru.draw import Draw

BATCH = 64
LATENT = 100


def ours(engine_name: str, width: int, channels: int) -> Callable[[], None]:
    """Return a function that makes one of our steps."""
    config = Config(width=width, image_size="64", channels=channels, batch=BATCH, latent=LATENT)
    shape = (64, 64, channels)
    engine = engines.load(engine_name, "cpu")
    game = rules.game(config, shape, 0)
    first = {
        group: {name: engine.from_numpy(array) for name, array in arrays.items()}
        for group, arrays in model.first_parameters(config, shape, 0).items()
    }
    images = np.random.default_rng(0).integers(0, 256, (4 * BATCH, *shape), np.uint8)
    source = data.Source("random", images, None, (), "")
    draw = Draw(source, engine, seed=0, batch=BATCH, latent=LATENT, classes=0,
                relativistic=False)  # fmt: skip
    state = step.start(game, first)
    play = engine.compile(functools.partial(step.play, game), consumes=True)
    turn = 0

    def advance() -> None:
        nonlocal state, turn
        state, report = play(state, draw.step(turn), step.paces(game, turn, 1))
        float(report["d_loss"]), float(report["g_loss"])
        turn += 1

    return advance


def plain(width: int, channels: int) -> Callable[[], None]:
    """Return a function that makes one step of a DCGAN as PyTorch users write it."""
    import torch
    from torch import nn

    def up(i: int, o: int, *how: int) -> list[nn.Module]:
        convolution = nn.ConvTranspose2d(i, o, 4, *how, bias=False)
        return [convolution, nn.BatchNorm2d(o), nn.ReLU(True)]

    def down(i: int, o: int) -> list[nn.Module]:
        convolution = nn.Conv2d(i, o, 4, 2, 1, bias=False)
        return [convolution, nn.BatchNorm2d(o), nn.LeakyReLU(0.2, True)]

    w = width
    generator = nn.Sequential(
        *up(LATENT, 8 * w, 1, 0), *up(8 * w, 4 * w, 2, 1), *up(4 * w, 2 * w, 2, 1),
        *up(2 * w, w, 2, 1),
        nn.ConvTranspose2d(w, channels, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(channels, w, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True),
        *down(w, 2 * w), *down(2 * w, 4 * w), *down(4 * w, 8 * w),
        nn.Conv2d(8 * w, 1, 4, 1, 0, bias=False), nn.Flatten(0),
    )  # fmt: skip
    settings = {"lr": 2e-4, "betas": (0.5, 0.999)}
    g_adam = torch.optim.Adam(generator.parameters(), **settings)
    d_adam = torch.optim.Adam(discriminator.parameters(), **settings)
    loss = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(BATCH), torch.zeros(BATCH)
    images = torch.rand(4 * BATCH, channels, 64, 64) * 2 - 1
    turn = 0

    def advance() -> None:
        nonlocal turn
        real = images[torch.arange(BATCH) + BATCH * (turn % 4)]
        d_adam.zero_grad()
        fake = generator(torch.randn(BATCH, LATENT, 1, 1)).detach()
        d_loss = loss(discriminator(real), ones) + loss(discriminator(fake), zeros)
        d_loss.backward()
        d_adam.step()
        g_adam.zero_grad()
        g_loss = loss(discriminator(generator(torch.randn(BATCH, LATENT, 1, 1))), ones)
        g_loss.backward()
        g_adam.step()
        d_loss.item(), g_loss.item()
        turn += 1

    return advance


CONTESTANTS: dict[str, Callable[[int, int], Callable[[], None]]] = {
    "plain PyTorch": plain,
    "torch engine": lambda width, channels: ours("torch", width, channels),
    "numpy engine": lambda width, channels: ours("numpy", width, channels),
}
CASES = {"64x64x1, width 64": (64, 1), "64x64x3, width 32": (32, 3)}


def compare(width: int, channels: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of every contestant's steps, taken in turns after two warm-up rounds."""
    steps = {name: make(width, channels) for name, make in CONTESTANTS.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 2):
        for name, advance in steps.items():
            began = time.perf_counter()
            advance()
            if turn >= 2:
                times[name].append(time.perf_counter() - began)
    return times


def show(case: str, times: dict[str, list[float]]) -> None:
    """Print medians, spread and the ratio of medians to plain PyTorch's."""
    base = statistics.median(times["plain PyTorch"])
    print(f"\n{case}, batch {BATCH}")
    print(f"{'':16}{'s/step':>8}{'from':>8}{'to':>8}{'images/s':>10}{'ratio':>8}")
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(f"{name:16}{middle:8.3f}{min(seconds):8.3f}{max(seconds):8.3f}{BATCH / middle:10.0f}"
              f"{middle / base:8.2f}")  # fmt: skip


def peak(name: str, case: str) -> None:
    """Make five steps and print this process's peak memory."""
    advance = CONTESTANTS[name](*CASES[case])
    for _ in range(5):
        advance()
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--peak", nargs=2, metavar=("NAME", "CASE"), help="used by --memory")
    wanted = parser.parse_args()
    if wanted.peak:
        return peak(*wanted.peak)
    print(f"{platform.platform()}, Python {platform.python_version()}, NumPy {np.__version__}")
    for case, how in CASES.items():
        if not wanted.memory:
            show(case, compare(*how, wanted.rounds))
            continue
        for name in CONTESTANTS:
            command = [sys.executable, "-m", "bench.step", "--peak", name, case]
            found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            print(f"{case:20}{name:16}{found.strip():>6} MiB")
    return None


if __name__ == "__main__":
    main()
