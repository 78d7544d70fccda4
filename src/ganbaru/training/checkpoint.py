"""Checkpoints: one safetensors file that holds a run's state and, in its header, how to rebuild it.

Never a pickle. Tensors are named ``group/name`` and lie in PyTorch's layout, so any engine loads
any file. A file appears whole or not at all: it is written under another name, flushed, renamed.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru import files
from ganbaru.errors import InputError

FORMAT = 1
Groups = dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Header:
    """What a checkpoint says of itself: enough to rebuild the networks and to go on."""

    version: str
    config: dict[str, Any]
    step: int
    images: int
    seconds: float
    data: dict[str, Any]  # name, fingerprint, classes, shape (H, W, C)
    reports: list[dict[str, float]]  # of the steps since the last line of the log


def save(path: Path, groups: Groups, header: Header) -> None:
    """Write a checkpoint; what was at `path` stays until the new file is whole."""
    from safetensors.numpy import save as pack

    tensors = {
        f"{group}/{name}": np.ascontiguousarray(array)
        for group, arrays in groups.items()
        for name, array in arrays.items()
    }
    about = {"format": FORMAT, "groups": list(groups), **dataclasses.asdict(header)}
    content = pack(tensors, metadata={"ganbaru": json.dumps(about)})
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # or a power cut could leave the new name on an empty file


def load(path: Path, only: Collection[str] | None = None) -> tuple[Groups, Header]:
    """Read a checkpoint's header and tensors, those of the groups `only` if given.

    Raises InputError for a file that is missing, cut short or not a checkpoint.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names, header = _header(path, (file.metadata() or {}).get("ganbaru", ""))
            groups: Groups = {name: {} for name in names if only is None or name in only}
            for key in file.keys():  # noqa: SIM118
                group, _, name = key.partition("/")
                if group in groups:
                    groups[group][name] = file.get_tensor(key)
    except FileNotFoundError as error:
        raise InputError(f"There is no checkpoint at {path}.") from error
    except OSError as error:
        raise InputError(
            f"Cannot read the checkpoint {path}: {error.strerror or error}."
        ) from error
    except SafetensorError as error:
        raise InputError(
            f"The checkpoint {path} is damaged or cut short ({error}). Delete it to go on from the "
            f"one before it, or name another with --checkpoint."
        ) from error
    return groups, header


def _header(path: Path, text: str) -> tuple[list[str], Header]:
    try:
        about = json.loads(text)
        number = int(about.pop("format"))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path} is a safetensors file, but no checkpoint of ganbaru's: name one from the "
            f"checkpoints folder of a run."
        ) from error
    if number > FORMAT:
        raise InputError(
            f"The checkpoint {path} was written by ganbaru {about.get('version')}, which is newer "
            f"than this one. Install that version or a later one: pip install -U ganbaru."
        )
    return about.pop("groups"), Header(**about)


def found(folder: Path) -> list[Path]:
    """List a folder's checkpoints, oldest first; the best, which has a name, is not among them."""
    return sorted(path for path in folder.glob("*.safetensors") if path.stem.isdigit())


def check_fits(path: Path, loaded: Groups, expected: Groups) -> None:
    """Raise InputError unless the groups expected are there, with the same names and shapes."""
    for group, arrays in expected.items():
        there = loaded.get(group, {})
        for name in sorted(there.keys() | arrays.keys()):
            _check_shape(path, f"{group}/{name}", there.get(name), arrays.get(name))


def _check_shape(
    path: Path, name: str, found: np.ndarray | None, wanted: np.ndarray | None
) -> None:
    got, want = ("nothing" if array is None else array.shape for array in (found, wanted))
    if got != want:
        raise InputError(
            f"The checkpoint {path} is of another architecture: {name} is {got} there and {want} "
            f"in the network asked for. Use the run's own settings, or another --run."
        )
