"""Weights from elsewhere: the files of a plain PyTorch DCGAN, brought into a run that goes on.

Layers are found by order and shape, whatever they are called: the tensors of a file are gathered
into layers by their names up to the last dot, and each of our layers takes the first of them that
is left and has all of its tensors in the right shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru import data
from ganbaru.config import Config
from ganbaru.errors import InputError
from ganbaru.export import weight_matching
from ganbaru.export.weight_matching import Arrays, Match
from ganbaru.gan import models, step
from ganbaru.gan.dataset import label_names, load_data
from ganbaru.training import setup
from ganbaru.training.run import Run

PLAYERS = ("generator", "discriminator")

# What wrappers put before every name: DataParallel and torch.compile.
_PREFIXES = ("module.", "_orig_mod.")
# Batch norm counts its batches for a momentum that is not given; ours is a tenth.
_UNUSED = ("num_batches_tracked",)
# Under which names training scripts keep a player's weights among others.
_NAMES = {
    "generator": ("generator", "netg", "g", "gen", "g_state_dict", "netg_state_dict"),
    "discriminator": ("discriminator", "netd", "d", "disc", "d_state_dict", "netd_state_dict"),
}


@dataclass(frozen=True)
class Imported:
    """A run at 0 images with the weights of files, and where each of their layers went."""

    run: Run
    matches: dict[str, list[Match]]  # by player; one that was not given is not there


def weights(
    config: Config,
    generator: str | Path,
    discriminator: str | Path | None = None,
    progress: data.Progress | None = None,
) -> Imported:
    """Begin the run of a configuration with the weights of files, and save it at 0 images.

    Files are state dicts of PyTorch (`torch.save(model.state_dict(), ...)`) or safetensors. A
    player without a file and the optimisers' moments start anew. Raises InputError for what does
    not fit the configuration's networks, and then has written nothing.
    """
    files = {"generator": generator, "discriminator": discriminator}
    given = {player: read(Path(path), player) for player, path in files.items() if path}
    source = load_data(config, progress)
    shape, classes = source.images.shape[1:], len(label_names(config, source))
    first = models.initial_parameters(config, shape, classes)
    matches = {}
    for player, arrays in given.items():
        wanted = {**first[player], **first[f"{player}_buffers"]}
        found = weight_matching.match(arrays, wanted)
        if found.misfit:
            hint = weight_matching.hint(arrays, player, config, shape, len(source.classes))
            raise InputError(f"{files[player]} does not fit the {player}: {found.misfit} {hint}")
        for group in (player, f"{player}_buffers"):
            first[group] = {name: found.arrays[name] for name in first[group]}
        matches[player] = found.matches
    run = setup.build(config, progress=progress or data.silent)
    run.state = step.start(run.gan, setup.to_engine(run.engine, first))
    run.save()
    return Imported(run, matches)


# --- files ------------------------------------------------------------------------------------


def read(path: Path, player: str) -> Arrays:
    """Read the weights of a player from a file, by their names without wrappers' prefixes."""
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    found = _safetensors(path) if path.suffix == ".safetensors" else _pytorch(path)
    arrays = _unprefixed(_state_dict(path, found, player))
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(f"{name} in {path} holds NaN or infinity: the training had diverged.")
    return arrays


def _pytorch(path: Path) -> Any:
    from ganbaru.native import torch

    return torch.read(path)


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    """Read safetensors, which keep no order: names count up, `main.10` after `main.9`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            if "ganbaru" in (file.metadata() or {}):
                raise InputError(
                    f"{path} is a checkpoint of ganbaru's: there is nothing to import. Use it as "
                    f"it is, for example: ganbaru generate {path}"
                )
            return {name: file.get_tensor(name) for name in sorted(file.keys(), key=_counting)}
    except (OSError, SafetensorError, TypeError) as error:  # of a type that NumPy does not have
        raise InputError(f"Cannot read {path} as safetensors: {error}.") from error


def _counting(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts numbers in names as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _state_dict(path: Path, found: Any, player: str) -> Arrays:
    """Find a player's tensors in what a file holds: alone, or in a dictionary among others."""
    if isinstance(found, Mapping):
        tensors = {str(n): x for n, x in found.items() if isinstance(x, np.ndarray)}
        if tensors and len(tensors) == len(found):
            return tensors
        inner = {str(n): x for n, x in found.items() if isinstance(x, Mapping) and _holds(x)}
        named = [name for name in inner if name.lower() in _NAMES[player]]
        if len(inner) == 1 or len(named) == 1:
            return _state_dict(path, inner[(named or list(inner))[0]], player)
        if inner:
            raise InputError(
                f"{path} holds weights under {', '.join(inner)}, and none of these names says "
                f"{player}: save that one alone, torch.save(model.state_dict(), 'weights.pth')."
            )
    raise InputError(
        f"{path} holds no state dict (tensors by name): save one with "
        f"torch.save(model.state_dict(), 'weights.pth')."
    )


def _holds(found: Mapping) -> bool:
    """Say whether a dictionary is a state dict, or holds one; an optimiser's state is none."""
    if "param_groups" in found or not found:
        return False
    return any(
        _holds(x) if isinstance(x, Mapping) else isinstance(x, np.ndarray) for x in found.values()
    )


def _unprefixed(arrays: Arrays) -> Arrays:
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in arrays):
            return _unprefixed({name.removeprefix(prefix): x for name, x in arrays.items()})
    return {name: x for name, x in arrays.items() if name.rpartition(".")[2] not in _UNUSED}
