"""What a step needs, counted by tracing the networks: floating-point operations and bytes.

Counted is what multiplies matrices: convolutions and dense layers. A multiplication and its
addition are two operations. An operation on an input x and a weight w costs as much again for the
gradient of w, and again for the gradient of x, each being a convolution of the same size. Which of
them a step needs, with G and D one pass through a network:

    D's update   G without gradients; D twice (reals, fakes) with the gradients that its weights
                 need: of each w, and of each x that weights stand before, so not of the images
    G's update   G with the gradients that its weights need, so not of the latents; D with those
                 that its input needs: of each x down to the fakes, and of no w

For a stack of layers that is G + 2 (3 D - d) + (3 G - g) + 2 D = 4 G - g + 8 D - 2 d, d and g being
the first layers: 2.5 GFLOP an image for a 64x64 DCGAN of width 64. An update that learns from the
very fakes that D has judged, as the official example does, spares a G. Elementwise work (norms,
activations, the optimisers) is not counted: some 1 % of the operations of that DCGAN.

Bytes are what has to pass between memory and the processor if every convolution, forwards and for
each gradient, reads its two operands and writes its result once (in float32), with all elementwise
work done on the way, and nothing stays in the cache from one to the next; and if Adam reads a
weight, its gradient and its two moments, and writes three of them. Less is possible where a cache
holds a layer, and libraries usually move more: they write patches, norms and activations too.
The running average that we keep of G is not counted; plain code has none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ganbaru import nn
from ganbaru.config import Config
from ganbaru.engines.trace import Record, Shape
from ganbaru.gan import models

from .scale import Size

BYTES = 4  # of a float32
LATENT = 100


class Cost(NamedTuple):
    """What a piece of work needs."""

    flops: int
    bytes: int

    def plus(self, *others: Cost) -> Cost:
        """Return the cost of this and the others."""
        return Cost(*map(sum, zip(self, *others, strict=True)))


# Which inputs of an operation get a gradient.
Wanted = Callable[[Shape], bool]


def forwards(x: Shape) -> bool:
    """None."""
    return False


def learning(x: Shape) -> bool:
    """All that weights stand in or before."""
    return x.learned


def through(x: Shape) -> bool:
    """All that the network's input stands before, but no weights."""
    return x.fed


def products(network: nn.Network, shapes: Sequence[nn.Shape]) -> list[Record]:
    """Return the operations of a network that multiply matrices."""
    _, records = nn.trace(network, *shapes)
    return [record for record in records if record.fed and record.macs]


def work(network: nn.Network, shapes: Sequence[nn.Shape], wanted: Wanted) -> Cost:
    """Count one pass through a network, and the gradients wanted of it."""
    flops = moved = 0
    for record in products(network, shapes):
        times = 1 + sum(map(wanted, record.inputs))
        flops += 2 * record.macs * times
        moved += (math.prod(record.shape) + sum(x.size for x in record.inputs)) * times
    return Cost(flops, BYTES * moved)


def adam(network: nn.Network, shapes: Sequence[nn.Shape]) -> Cost:
    """Count what the optimiser moves: four numbers read and three written for each weight."""
    sizes: list[int] = []
    nn.trace(network, *shapes, parameter=lambda name, shape, *_: sizes.append(math.prod(shape)))
    return Cost(0, 7 * BYTES * sum(sizes))


def config(size: Size, **options: object) -> Config:
    """Return the configuration of a DCGAN of this size, without labels."""
    return Config(
        width=size.width, image_size=str(size.size), channels=size.channels, batch=size.batch,
        latent=LATENT, **options,
    )  # fmt: skip


def players(size: Size) -> list[tuple[nn.Network, Sequence[nn.Shape]]]:
    """Return G and D with the shapes of their inputs."""
    about, shape = config(size), (size.size, size.size, size.channels)
    networks = models.networks(about, shape, 0)
    return list(zip(networks, models.input_shapes(about, shape, 0, size.batch), strict=True))


def step(size: Size, shared: bool = False) -> Cost:
    """Count a step; `shared`: G learns from the fakes that D has judged."""
    g, d = players(size)
    learned = work(*g, learning).plus(adam(*g), work(*d, through))
    judged = work(*d, learning).plus(work(*d, learning), adam(*d))
    return learned.plus(judged) if shared else learned.plus(judged, work(*g, forwards))


def sampling(size: Size) -> Cost:
    """Count a batch of images made."""
    return work(*players(size)[0], forwards)


def matrices(size: Size) -> set[tuple[int, int, int]]:
    """Return the (m, k, n) of D's convolutions as products of patches and kernels.

    Without its last one, which has a single kernel: no library multiplies a vector fast.
    """
    network, shapes = players(size)[1]
    found = set()
    for record in products(network, shapes):
        count, outputs, height, width = record.shape
        rows = count * height * width
        if outputs > 1:
            found.add((rows, record.macs // (rows * outputs), outputs))
    return found
