"""A model, not a measurement, of training on 1 to 64 GPUs: `python -m bench.cost_model` (seconds).

Counted from the networks: operations of a step (`bench.flops`), bytes that are summed over the
ranks (each player's gradients, in float32, once an update) and messages (those, two for each batch
norm of a pass, three signals of D, and one that keeps the ranks in step). Assumed, and options:
what a GPU sustains, and the links within and between machines. A step on W ranks takes

    compute(b) + 2 (W - 1) / W bytes / link + messages (latency log2 W)

with b images a GPU; the sums of gradients of one update are one message after its backward pass, so
nothing overlaps. The last column is what hiding 80 % of them behind that pass would give.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ganbaru.config import Config, from_preset
from ganbaru.gan import models

from . import reporting
from .flops import forwards, learning, through, work

PRESETS = ("dcgan", "wgan-gp-mnist", "sngan-cifar10", "r3gan-cifar10")
SIDE = 32  # of the sets whose images are taken as they are
RANKS = (1, 2, 4, 8, 16, 32, 64)
HIDDEN = 0.8
MOST_RATE = 1e-3  # of learning, which grows as the square root of the batch below
BYTES = 4  # of a float32


@dataclass(frozen=True)
class Machine:
    """What is assumed of GPUs and links."""

    tflops: float = 30.0  # sustained by a GPU
    gpus: int = 8  # in a machine
    inside: float = 200.0  # GB/s of an all-reduce in a machine
    between: float = 12.5  # GB/s of a machine's network: 100 Gbit/s
    latency: float = 15.0  # microseconds for each doubling of the ranks


@dataclass(frozen=True)
class Step:
    """The cost of a training step: operations for each image; bytes and messages of any batch."""

    flops: float
    bytes: int
    messages: int

    def seconds(self, ranks: int, images: int, machine: Machine, hidden: float = 0.0) -> float:
        """Return the time of a step of `images` on each of some ranks."""
        compute = self.flops * images / (machine.tflops * 1e12)
        link = machine.inside if ranks <= machine.gpus else machine.between
        summed = 2 * (ranks - 1) / ranks * self.bytes / (link * 1e9) * (1 - hidden)
        waiting = self.messages * machine.latency * 1e-6 * math.log2(ranks)
        return compute + summed + waiting


def step(config: Config) -> Step:
    """Count a configuration's step; penalties, which are a pass or two more, are left out."""
    height, width = config.size or (SIDE, SIDE)
    shape, classes = (height, width, config.channels or 3), 10 * (config.conditioning != "none")
    networks = models.networks(config, shape, classes)
    (g, d) = zip(networks, models.input_shapes(config, shape, classes, 1), strict=True)
    flops = work(*g, learning).plus(work(*d, through)).flops
    flops += config.d_steps * work(*g, forwards).plus(work(*d, learning), work(*d, learning)).flops
    found = models.tensor_shapes(config, shape, classes)
    sizes = {
        name: sum(map(math.prod, found[name].values())) for name in ("generator", "discriminator")
    }
    norms = {name: sum(key.endswith("mean") for key in found[f"{name}_buffers"]) for name in sizes}
    g_norms, d_norms = norms["generator"], norms["discriminator"]
    # Of D's update three are the doctor's signals: mean scores, some reals and some fakes.
    messages = config.d_steps * (g_norms + 4 * d_norms + 1 + 3) + 2 * g_norms + 2 * d_norms + 2
    return Step(
        flops, BYTES * (sizes["generator"] + config.d_steps * sizes["discriminator"]), messages
    )


def rows(name: str, images: int, machine: Machine) -> list[Sequence[str]]:
    """Return the table of a preset, with `images` on each GPU."""
    config = from_preset(name, data="digits")
    cost, found = step(config), []
    alone = cost.seconds(1, images, machine)
    for ranks in RANKS:
        times = [cost.seconds(ranks, images, machine, hidden) for hidden in (0.0, HIDDEN)]
        found.append(
            (
                *(name, f"{ranks}", f"{ranks * images:,}", f"{cost.bytes / 1e6:.1f}"),
                *(f"{cost.messages}", f"{1e3 * times[0]:.1f}", f"{ranks * alone / times[0]:.1f}"),
                *(f"{alone / time:.0%}" for time in times),
                f"{min(MOST_RATE, config.lr * math.sqrt(ranks * images / config.batch)):.1e}",
            )
        )
    return found


HEAD = ("preset", "GPUs", "batch", "MB summed", "messages", "ms a step", "times faster")
HEAD += ("efficiency", "if 80 % were hidden", "learning rate")


def main() -> None:
    """Print the tables of the presets in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("presets", nargs="*", default=PRESETS)
    parser.add_argument("--images", type=int, default=64, help="on each GPU")
    for name, value in vars(Machine()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    options = vars(parser.parse_args())
    presets, images = options.pop("presets"), options.pop("images")
    machine = Machine(**options)
    print(reporting.grid(HEAD, (row for name in presets for row in rows(name, images, machine))))


if __name__ == "__main__":
    main()
