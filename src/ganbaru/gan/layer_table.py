"""The layer table of a configuration's networks, by tracing them on shapes alone."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from ganbaru import nn
from ganbaru.config import Config
from ganbaru.data import declared
from ganbaru.gan import models
from ganbaru.gan.dataset import label_names, load_data
from ganbaru.gan.models import Shape
from ganbaru.nn.initializers import Fans

# Operations that move or combine numbers without being layers of their own.
_UNLISTED = {"arithmetic", "reshape", "transpose", "broadcast_to", "one_hot", "sum"}


@dataclass(frozen=True)
class Row:
    """One layer: its name, operation, output shape of an image, parameters, multiply-adds."""

    layer: str
    operation: str
    shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True)
class LayerTable:
    """The layers of one network."""

    title: str
    rows: list[Row]
    parameters: int
    macs: int


def assumed(config: Config) -> tuple[Shape, int]:
    """Return the image shape (H, W, C) and the number of classes of a configuration's data.

    A declared set gives both without its files; other data are loaded; without data, 64x64 RGB.
    """
    known = declared(config.data, config.trust)
    if known and known.shape is not None and known.classes is not None:
        (height, width, channels), names = known.shape, models.class_names(config, known.classes)
    elif config.data:
        source = load_data(config)
        (height, width, channels), names = source.images.shape[1:], label_names(config, source)
    else:
        (height, width, channels), names = (64, 64, 3), ()
    height, width = config.size or (height, width)
    return (height, width, config.channels or channels), len(names)


def layers(config: Config, shape: Shape, num_classes: int) -> list[LayerTable]:
    """Trace both networks on one image."""
    return [_trace(*player) for player in models.players(config, shape, num_classes, count=1)]


def _trace(title: str, network: nn.Network, shapes: list) -> LayerTable:
    sizes: Counter[str] = Counter()  # by layer

    def count(name: str, shape: tuple[int, ...], kind: str, fans: Fans) -> None:
        sizes[name.rpartition(".")[0]] += math.prod(shape)

    _, records = nn.trace(network, *shapes, parameter=count)
    parameters = sizes.total()
    rows = []
    for record in records:
        if record.fed and record.operation not in _UNLISTED:
            layer = record.parameters[0].rpartition(".")[0] if record.parameters else ""
            # The first row of a layer counts all its parameters.
            own = sizes.pop(layer, 0)
            rows.append(Row(layer, record.operation, record.shape[1:], own, record.macs))
    return LayerTable(title, rows, parameters, sum(row.macs for row in rows))
