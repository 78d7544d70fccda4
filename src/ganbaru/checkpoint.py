"""Checkpoints: one safetensors file that holds a run's state and, in its header, how to rebuild it.

Never a pickle. Tensors are named ``group/name`` and lie in PyTorch's layout, so any engine loads
any file. A file appears whole or not at all: it is written under another name, flushed, renamed.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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


def save(path: Path, groups: Groups, header: Header) -> None:
    """Write a checkpoint; what was at `path` stays until the new file is whole."""
    from safetensors.numpy import save as pack

    tensors = {
        f"{group}/{name}": np.ascontiguousarray(array)
        for group, arrays in groups.items()
        for name, array in arrays.items()
    }
    about = json.dumps({"format": FORMAT, **header.__dict__})
    content = pack(tensors, metadata={"ganbaru": about})
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(
            f"Cannot write the checkpoint {path}: {error.strerror}. Earlier checkpoints are kept. "
            f"Free some space (this one needs {len(content) / 1e6:.0f} MB) or choose another --run."
        ) from error


def load(path: Path) -> tuple[Groups, Header]:
    """Read a checkpoint; raises InputError for a file that is missing, cut short or not ours."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {}).get("ganbaru", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise InputError(f"There is no checkpoint at {path}.") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(
            f"The checkpoint {path} is damaged or cut short ({error}). Delete it to go on from the "
            f"one before it, or name another with --checkpoint."
        ) from error
    header = _header(path, about)
    groups: Groups = {}
    for key, array in tensors.items():
        group, _, name = key.partition("/")
        groups.setdefault(group, {})[name] = array
    return groups, header


def _header(path: Path, about: dict[str, Any]) -> Header:
    if "format" not in about:
        raise InputError(f"{path} is a safetensors file, but no checkpoint of ganbaru's.")
    if about.pop("format") > FORMAT:
        raise InputError(
            f"The checkpoint {path} was written by ganbaru {about.get('version')}, which is newer "
            f"than this one. Install that version or a later one: pip install -U ganbaru."
        )
    return Header(**about)


def found(folder: Path) -> list[Path]:
    """List a folder's checkpoints, oldest first."""
    return sorted(folder.glob("*.safetensors"))


def check_fits(path: Path, loaded: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Raise InputError unless both dictionaries have the same names and shapes."""
    for name in sorted(loaded.keys() | expected.keys()):
        got = loaded[name].shape if name in loaded else "nothing"
        want = expected[name].shape if name in expected else "nothing"
        if got != want:
            raise InputError(
                f"The checkpoint {path} is of another architecture: {name} is {got} there and "
                f"{want} in the network asked for. Use the run's own settings, or another --run."
            )
