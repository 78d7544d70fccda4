"""Write one network's weights as a checkpoint, which loads on any engine."""

from __future__ import annotations

from pathlib import Path

from ganbaru.export import metadata
from ganbaru.export.precision import rounded
from ganbaru.sampling.players import PLAYERS, Player
from ganbaru.training import checkpoint


def write(path: Path, player: Player, precision: str) -> list[str]:
    """Write the weights; returns a summary."""
    group, _ = PLAYERS[player.name]
    groups = {
        each: {name: rounded(array, name, precision) for name, array in arrays.items()}
        for each, arrays in ((group, player.parameters), (f"{group}_buffers", player.buffers))
    }
    checkpoint.save(path, groups, metadata.shared(player))
    count = sum(array.size for arrays in groups.values() for array in arrays.values())
    return [
        f"{path}: {size(path)}, {count:,} numbers, {precision}",
        f"the {player.name} only; give this file in place of a run to {_readers(player.name)}",
    ]


def size(path: Path) -> str:
    """Return a file's size as text."""
    return f"{path.stat().st_size / 1e6:,.2f} MB"


def _readers(player: str) -> str:
    return "generate, morph or ganbaru.native" if player == "generator" else "ganbaru.native"
