"""The cost of a step in floating-point operations and bytes, counted by tracing the networks.

Only matrix products are counted: convolutions and dense layers. A multiplication and its addition
are two operations. An operation on an input x and a weight w costs as much again for the
gradient of w, and again for the gradient of x, each being a convolution of the same size. The
gradients that a step needs, where G and D are one pass through a network:

    D's update   G without gradients; D twice (reals, fakes) with the gradients of each w, and of
                 each x that depends on weights, so not of the images
    G's update   G with the gradients of its weights, so not of the latents; D with the gradients
                 of each x down to the fakes, and of no w

For a stack of layers that is G + 2 (3 D - d) + (3 G - g) + 2 D = 4 G - g + 8 D - 2 d, d and g being
the first layers: 2.5 GFLOP an image for a 64x64 DCGAN of width 64. A G update that reuses
the fakes of D's update, as the official example does, saves one G. Elementwise work (norms,
activations, the optimisers) is not counted: about 1 % of the operations of that DCGAN.

Bytes are the memory traffic if every convolution, forward and for each gradient, reads its two
operands and writes its result once (in float32), with all elementwise work fused and nothing cached
between operations; and if Adam reads a weight, its gradient and its two moments, and writes three
of them. Less is possible where a cache holds a layer; libraries usually move more: they also write
patches, norms and activations. The EMA of G is not counted; plain code has none.
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
    """Floating-point operations and bytes."""

    flops: int
    bytes: int

    def plus(self, *others: Cost) -> Cost:
        """Return the cost of this and the others."""
        return Cost(*map(sum, zip(self, *others, strict=True)))


# Tells which inputs of an operation need a gradient.
Wanted = Callable[[Shape], bool]


def forwards(x: Shape) -> bool:
    """Inference: no input."""
    return False


def learning(x: Shape) -> bool:
    """Gradients of the weights: weights and all that depends on them."""
    return x.learned


def through(x: Shape) -> bool:
    """The gradient of the network's input: all that depends on it, but no weights."""
    return x.fed


def products(network: nn.Network, shapes: Sequence[nn.Shape]) -> list[Record]:
    """Return the matrix products among the operations of a network."""
    _, records = nn.trace(network, *shapes)
    return [record for record in records if record.fed and record.macs]


def work(network: nn.Network, shapes: Sequence[nn.Shape], wanted: Wanted) -> Cost:
    """Return the cost of one pass through a network with the wanted gradients."""
    flops = moved = 0
    for record in products(network, shapes):
        times = 1 + sum(map(wanted, record.inputs))
        flops += 2 * record.macs * times
        moved += (math.prod(record.shape) + sum(x.size for x in record.inputs)) * times
    return Cost(flops, BYTES * moved)


def adam(network: nn.Network, shapes: Sequence[nn.Shape]) -> Cost:
    """Return the optimiser's traffic: four numbers read and three written for each weight."""
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
    """Return the cost of a step; `shared`: G's update reuses the fakes of D's."""
    g, d = players(size)
    learned = work(*g, learning).plus(adam(*g), work(*d, through))
    judged = work(*d, learning).plus(work(*d, learning), adam(*d))
    return learned.plus(judged) if shared else learned.plus(judged, work(*g, forwards))


def sampling(size: Size) -> Cost:
    """Return the cost of generating a batch of images."""
    return work(*players(size)[0], forwards)


def matrices(size: Size) -> set[tuple[int, int, int]]:
    """Return the (m, k, n) of D's convolutions as products of patches and kernels.

    The last one is left out: it has a single kernel, and no library multiplies a vector fast.
    """
    network, shapes = players(size)[1]
    found = set()
    for record in products(network, shapes):
        count, outputs, height, width = record.shape
        rows = count * height * width
        if outputs > 1:
            found.add((rows, record.macs // (rows * outputs), outputs))
    return found
