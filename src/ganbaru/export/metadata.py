"""What an exported file says of itself."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np

from ganbaru import __version__, registry
from ganbaru.config import Config
from ganbaru.data import licences
from ganbaru.sampling.players import Player
from ganbaru.training.checkpoint import Header


def facts(player: Player) -> dict[str, Any]:
    """Return what a user of the file needs to know, and where it comes from."""
    config, header = player.config, player.header
    height, width, channels = header.data["shape"]
    return {
        "ganbaru": __version__,
        "player": player.name,
        "preset": config.preset,
        "network": config.network,
        "conditioning": config.conditioning,
        "classes": list(player.classes),
        "latent": config.latent,
        "distribution": config.distribution,
        "image_shape": [channels, height, width],
        "data": header.data["name"],
        "seed": config.seed,
        "images_trained": header.images,
        "weights_sha256": digest(player),
        "licence": licences.note(config),
    }


def digest(player: Player) -> str:
    """Return the SHA-256 of a player's weights as trained: of names and numbers, names in order.

    It does not depend on the format or the precision that they are exported in.
    """
    found = hashlib.sha256()
    for name, array in sorted({**player.parameters, **player.buffers}.items()):
        found.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


_PRIVATE = ("data_dir", "run", "engine", "device", "resume", "overwrite")


def shared(player: Player) -> Header:
    """Return the header of a checkpoint without what is nobody else's business, such as paths."""
    config, header, usual = player.config, player.header, dataclasses.asdict(Config())
    known = config.data in registry.names("data")
    said = {
        **dataclasses.asdict(config),
        **{name: usual[name] for name in _PRIVATE},
        "data": config.data if known else header.data["name"],
        "precision": "float32",
    }
    return dataclasses.replace(header, config=said, callbacks={})
