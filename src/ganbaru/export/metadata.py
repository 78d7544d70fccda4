"""Metadata of exported files: their origin, and a checkpoint header without private fields."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np

from ganbaru import __version__, registry
from ganbaru.config import Config
from ganbaru.data import licence_note
from ganbaru.report import sharing
from ganbaru.sampling.directions import Directions
from ganbaru.sampling.players import Player
from ganbaru.training.checkpoint import Header


def facts(player: Player, directions: Directions | None = None) -> dict[str, Any]:
    """Return what a user of an exported file needs to know, its origin and a run's directions."""
    config, header, found = player.config, player.header, directions or {}
    height, width, channels = header.data["shape"]
    return {
        "ganbaru": __version__,
        "player": player.name,
        "preset": config.preset,
        "network": config.network,
        "conditioning": config.conditioning,
        "classes": list(player.classes),
        **({"attributes": player.header.data["attributes"]} if player.attributes else {}),
        "latent": config.latent,
        "distribution": config.distribution,
        "image_shape": [channels, height, width],
        "data": header.data["name"],
        "seed": config.seed,
        "images_trained": header.images,
        "weights_sha256": digest(player),
        "licence": licence_note(config),
        **({"directions": {k: dataclasses.asdict(x) for k, x in found.items()}} if found else {}),
    }


def digest(player: Player) -> str:
    """Return the SHA-256 of a player's weights as trained: names and numbers, sorted by name.

    It does not depend on the format or precision of the export.
    """
    found = hashlib.sha256()
    for name, array in sorted({**player.parameters, **player.buffers}.items()):
        found.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


_PRIVATE = ("data_dir", "run", "engine", "device", "resume", "overwrite", "start_from")


def shared(player: Player) -> Header:
    """Return a checkpoint's header with a licence note, without private fields such as paths."""
    config, header, defaults = player.config, player.header, dataclasses.asdict(Config())
    public = config.data in registry.names("data")
    fields = {
        **dataclasses.asdict(config),
        **{name: defaults[name] for name in _PRIVATE},
        "data": config.data if public else header.data["name"],
        "label_file": sharing.public(config).label_file,
        "precision": "float32",
    }
    about = {**header.data, "licence": licence_note(config)}
    return dataclasses.replace(header, config=fields, data=about, callbacks={})
