"""Load one trained network, G or D, from a checkpoint: its function, its weights and its config."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganbaru import engines
from ganbaru.config import Config, from_file
from ganbaru.data import attributes
from ganbaru.data.attributes import Attribute
from ganbaru.engines import Engine
from ganbaru.errors import pick
from ganbaru.gan import models
from ganbaru.nn import Network
from ganbaru.ops import Parameters
from ganbaru.training import checkpoint, run_folder
from ganbaru.training.checkpoint import Header

Arrays = dict[str, np.ndarray]

# The checkpoint group that holds each player's weights, and whether its network is G or D.
PLAYERS = {
    "generator": ("ema", "generator"),  # the exponential moving average, used for sampling
    "unaveraged-generator": ("generator", "generator"),
    "discriminator": ("discriminator", "discriminator"),
}


@dataclass(frozen=True)
class Player:
    """A trained network with its weights as NumPy arrays, under the checkpoint's names.

    `shape` is that of one input: (Z,) for latents, (C, H, W) for images. `classes` are the names
    of the labels it takes, () if unconditional. `config` and `header` come from the checkpoint
    at `path`.
    """

    name: str
    network: Network
    parameters: Arrays
    buffers: Arrays
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    path: Path
    config: Config
    header: Header
    attributes: tuple[Attribute, ...] = ()  # that it takes in place of labels

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the classes or attributes that it takes."""
        return self.classes or tuple(each.name for each in self.attributes)

    def on(self, engine: Engine) -> tuple[Parameters, Parameters]:
        """Return the parameters and the buffers as tensors of an engine."""
        parameters, buffers = (
            {name: engine.from_numpy(array) for name, array in arrays.items()}
            for arrays in (self.parameters, self.buffers)
        )
        return parameters, buffers


def load_player(
    run: str | Path,
    which: str = "auto",
    player: str = "generator",
    trust: Collection[str] = (),
    *,
    verify: bool = True,
) -> Player:
    """Load one of `PLAYERS` from a run's checkpoint; reads no tensors but its own.

    `run`, `which`, `trust` and `verify` are as in `ganbaru.load`. Raises InputError for an unknown
    player, a missing run or checkpoint, a file that is damaged or of another architecture, and a
    network that is a module which is not trusted.
    """
    group, kind = pick("player", player, PLAYERS)
    path = run_folder.find_checkpoint(run, which)
    groups, header = checkpoint.load(path, (group, f"{group}_buffers"), verify=verify)
    config, shape = from_file(header.config, path, trust), tuple(header.data["shape"])
    classes = models.class_names(config, header.data["classes"])
    columns = () if config.conditioning == "none" else attributes.from_facts(header.data)
    count = len(classes) or len(columns)
    shapes = models.tensor_shapes(config, shape, count)
    expected = {group: shapes[kind], f"{group}_buffers": shapes[f"{kind}_buffers"]}
    checkpoint.check_fits(path, groups, expected)
    dtype = engines.storage_precision(config.precision)  # an exported file may hold float16
    parameters, buffers = (
        {name: groups[each][name].astype(dtype, copy=False) for name in names}
        for each, names in expected.items()
    )
    both = models.players(config, shape, count)
    network, inputs = next((network, inputs) for name, network, inputs in both if name == kind)
    weights, size = (parameters, buffers), tuple(inputs[0][1:])
    return Player(player, network, *weights, size, classes, path, config, header, columns)
