"""`ganbaru describe`: a preset's networks, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganbaru.cli import options
from ganbaru.cli.presets import details
from ganbaru.cli.tables import show
from ganbaru.formatting import say

if TYPE_CHECKING:
    from ganbaru.gan.layer_table import LayerTable

# The fields that shape the networks.
_SHAPING = (
    "data",
    "data_dir",
    "label_file",
    "image_size",
    "channels",
    "background",
    "fit",
    "range",
    "network",
    "width",
    "latent",
    "conditioning",
    "spectral_norm",
    "minibatch_deviation",
)


def describe(arguments: Sequence[str]) -> None:
    """Print every layer of both networks with its output shape, parameters and multiply-adds."""
    description = "Show a preset's networks, layer by layer."
    config = options.config("describe", description, arguments, _SHAPING)
    from ganbaru.gan import layer_table

    players = layer_table.layers(config, *layer_table.assumed(config))
    if config.preset:  # empty in the configuration of a run made in Python
        say(*details(config.preset))
    for player in players:
        _show(player)


def _show(player: LayerTable) -> None:
    from rich.table import Table

    title = f"{player.title}, for one image"
    table = Table("layer", "operation", "output", "parameters", "multiply-adds", title=title)
    for column in table.columns[3:]:
        column.justify = "right"
    for row in player.rows:
        numbers = (f"{number:,}" if number else "" for number in (row.parameters, row.macs))
        table.add_row(row.layer, row.operation, "x".join(map(str, row.shape)), *numbers)
    table.add_section()
    table.add_row("total", "", "", f"{player.parameters:,}", f"{player.macs:,}")
    show(table)
