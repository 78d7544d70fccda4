"""Import the weights of a plain PyTorch DCGAN into a new run, which can be resumed.

Layers are matched by order and shape, not by name: a file's tensors are grouped into layers by
their names up to the last dot, and each layer of the network takes the first unused one whose
tensors have its names and shapes.
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
from ganbaru.data.formats import torch_file
from ganbaru.errors import InputError, command_line
from ganbaru.export import weight_matching
from ganbaru.gan import layer_matching, models, step
from ganbaru.gan.dataset import label_names, load_data
from ganbaru.gan.layer_matching import Arrays, Match
from ganbaru.training import setup
from ganbaru.training.run import Run

PLAYERS = ("generator", "discriminator")

# Prefixes of every name, from DataParallel and torch.compile.
_PREFIXES = ("module.", "_orig_mod.")
# Batch norm's counter of batches, used only without a momentum; the momentum here is 0.1.
_UNUSED = ("num_batches_tracked",)
# Names under which training scripts store a player's weights in a dictionary.
_NAMES = {
    "generator": ("generator", "netg", "g", "gen", "g_state_dict", "netg_state_dict"),
    "discriminator": ("discriminator", "netd", "d", "disc", "d_state_dict", "netd_state_dict"),
}


@dataclass(frozen=True)
class Imported:
    """A run at 0 images with imported weights, and the matches of their layers."""

    run: Run
    matches: dict[str, list[Match]]  # by player, of those with a file


def weights(
    config: Config,
    generator: str | Path,
    discriminator: str | Path | None = None,
    progress: data.Progress | None = None,
) -> Imported:
    """Create a run with the weights of files, and save it at 0 images.

    Files are state dicts of PyTorch (`torch.save(model.state_dict(), ...)`) or safetensors. A
    player without a file has initial weights; the optimisers' moments are zero. Raises InputError,
    before anything is written, if the weights do not fit the configuration's networks.
    """
    if config.start_from:
        raise InputError(
            f"The weights come from {generator}, so the configuration may not also start from "
            f"{config.start_from}: leave start_from out of it."
        )
    files = {"generator": generator, "discriminator": discriminator}
    given = {player: read(Path(path), player) for player, path in files.items() if path}
    source = load_data(config, progress)
    shape, classes = source.images.shape[1:], len(label_names(config, source))
    networks = models.tensor_shapes(config, shape, classes)
    fits = {}
    for player, arrays in given.items():
        found = layer_matching.match(arrays, networks[player] | networks[f"{player}_buffers"])
        if found.misfit:
            hint = weight_matching.hint(arrays, player, config, shape, len(source.classes))
            raise InputError(f"{files[player]} does not fit the {player}: {found.misfit} {hint}")
        fits[player] = found
    first = models.initial_parameters(config, shape, classes)
    for player, found in fits.items():
        for group in (player, f"{player}_buffers"):
            first[group] = {name: found.arrays[name] for name in first[group]}
    run = setup.build(config, progress=progress or data.silent)
    try:
        run.state = step.start(run.gan, setup.to_engine(run.engine, first))
        run.save()
    finally:
        run.close()
    return Imported(run, {player: found.matches for player, found in fits.items()})


# --- files ------------------------------------------------------------------------------------


def read(path: Path, player: str) -> Arrays:
    """Read a player's weights from a file, by name without wrappers' prefixes."""
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    found = _safetensors(path) if path.suffix == ".safetensors" else torch_file.read(path)
    arrays = _unprefixed(_state_dict(path, found, player))
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(f"{name} in {path} contains NaN or infinity: its training diverged.")
    return arrays


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    """Read safetensors in natural order of names (`main.10` after `main.9`), as they have none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            if "ganbaru" in (file.metadata() or {}):
                raise InputError(
                    f"{path} is a checkpoint of ganbaru, so there is nothing to import. Use it "
                    f"directly, for example: {command_line('generate', path)}"
                )
            return {name: file.get_tensor(name) for name in sorted(file.keys(), key=_natural)}
    except (OSError, SafetensorError, TypeError) as error:  # TypeError: a type NumPy lacks
        raise InputError(f"Cannot read {path} as safetensors: {error}.") from error


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key that compares numbers in names as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _state_dict(path: Path, found: Any, player: str) -> Arrays:
    """Find a player's tensors in a file's content: at the top or in nested dictionaries."""
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
                f"{path} holds weights named {', '.join(inner)}, none a known name for the "
                f"{player}: save its weights alone, torch.save(model.state_dict(), 'weights.pth')."
            )
    raise InputError(
        f"{path} contains no state dict (tensors by name): save one with "
        f"torch.save(model.state_dict(), 'weights.pth')."
    )


def _holds(found: Mapping) -> bool:
    """Return whether a dictionary is or contains a state dict, other than an optimiser's."""
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
