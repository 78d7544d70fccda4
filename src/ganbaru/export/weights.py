"""One network's weights alone, as a checkpoint that any engine and `ganbaru generate` take."""

from __future__ import annotations

from pathlib import Path

from ganbaru.export import metadata
from ganbaru.export.precision import rounded
from ganbaru.sampling.players import PLAYERS, Player
from ganbaru.training import checkpoint

_TAKERS = {"generator": "generate, morph and ganbaru.native take"}


def write(path: Path, player: Player, precision: str) -> list[str]:
    """Write the weights; returns lines that tell of them."""
    group, _ = PLAYERS[player.name]
    groups = {
        kept: {name: rounded(array, name, precision) for name, array in arrays.items()}
        for kept, arrays in ((group, player.parameters), (f"{group}_buffers", player.buffers))
    }
    checkpoint.save(path, groups, metadata.shared(player))
    count = sum(array.size for arrays in groups.values() for array in arrays.values())
    takers = _TAKERS.get(player.name, "ganbaru.native takes")
    return [
        f"{path}: {size(path)}, {count:,} numbers, {precision}",
        f"the {player.name} alone, which {takers} in a run's place",
    ]


def size(path: Path) -> str:
    """Say how large a file is."""
    return f"{path.stat().st_size / 1e6:,.2f} MB"
