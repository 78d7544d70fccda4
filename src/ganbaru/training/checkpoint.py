"""Checkpoints: one safetensors file with a run's state and, in its header, how to rebuild it.

Never a pickle. Tensors are named ``group/name`` and have PyTorch's layout, so any engine loads any
file. Files are written atomically: under another name, flushed to disk, then renamed.
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

FORMAT = 2  # 1 had the log's `reports` where 2 has `callbacks`
Groups = dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Header:
    """The description of a checkpoint: enough to rebuild the networks and to resume the run."""

    version: str
    config: dict[str, Any]
    step: int
    images: int
    seconds: float
    data: dict[str, Any]  # name, fingerprint, classes, shape (H, W, C)
    callbacks: dict[str, dict[str, Any]]  # states by callback's name


def save(path: Path, groups: Groups, header: Header) -> None:
    """Write a checkpoint; an old file at `path` stays until the new one is complete."""
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

    Raises InputError for a missing, truncated or foreign file.
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
            f"one before it, or choose another with --checkpoint."
        ) from error
    return groups, header


def _header(path: Path, text: str) -> tuple[list[str], Header]:
    try:
        about = json.loads(text)
        number = int(about.pop("format"))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path} is a safetensors file, but no checkpoint of ganbaru's: give one from the "
            f"checkpoints folder of a run."
        ) from error
    if number > FORMAT:
        raise InputError(
            f"The checkpoint {path} was written by ganbaru {about.get('version')}, which is newer "
            f"than this one. Install that version or a later one: pip install -U ganbaru."
        )
    if "reports" in about:  # format 1
        about["callbacks"] = {"log": {"reports": about.pop("reports")}}
    return about.pop("groups"), Header(**about)


def found(folder: Path) -> list[Path]:
    """List a folder's numbered checkpoints, oldest first; best.safetensors is not among them."""
    return sorted(path for path in folder.glob("*.safetensors") if path.stem.isdigit())


def check_fits(path: Path, loaded: Groups, expected: Groups) -> None:
    """Raise InputError unless the expected groups were loaded, with the same names and shapes."""
    for group, arrays in expected.items():
        present = loaded.get(group, {})
        for name in sorted(present.keys() | arrays.keys()):
            got, want = (
                tensors[name].shape if name in tensors else "nothing"
                for tensors in (present, arrays)
            )
            if got != want:
                raise InputError(
                    f"The checkpoint {path} is of another architecture: {group}/{name} is {got} "
                    f"there and {want} in the configured network. Use the run's own settings, or "
                    f"another --run."
                )
