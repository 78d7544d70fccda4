"""Find a shared model: a folder of weights and `config.json`, here or on the Hugging Face hub.

`config.json` has the hash of the weights, which reveals files of different exports or incomplete
downloads.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, TypedDict

from ganbaru import records
from ganbaru.errors import InputError, pip_install
from ganbaru.training import hub

FORMAT = 1
WEIGHTS, CONFIG = "model.safetensors", "config.json"


def find(name: str | Path, revision: str | None = None) -> Path:
    """Return the checked weights of a folder, or of ``user/name`` on the hub, downloaded.

    Raises InputError for a missing or damaged file and a failed download.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir() and hub.is_name(str(name)):
        config, path = (hub.fetch(str(name), file, revision) for file in (CONFIG, WEIGHTS))
    else:
        config, path = folder / CONFIG, folder / WEIGHTS
    _check(_read(config), path)
    return path


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class _Facts(TypedDict):
    """What is read of config.json."""

    format: Annotated[int, records.Range(1)]
    file_sha256: str


def _read(path: Path) -> _Facts:
    if not path.exists():
        raise InputError(
            f"There is no shared model at {path.parent}: it has no {path.name}. Give a folder of "
            f"save_pretrained, or a name on the hub such as user/name."
        )
    remedy = (
        "So it does not describe a model of ganbaru: download the folder again, or write it with "
        "save_pretrained."
    )
    return records.read(path, _Facts, remedy)


def _check(facts: _Facts, path: Path) -> None:
    """Raise InputError unless the weights exist and have the hash of config.json."""
    if facts["format"] > FORMAT:
        raise InputError(
            f"{path.parent} was written by a newer ganbaru. Update: {pip_install('-U', 'ganbaru')}"
        )
    if not path.is_file():
        raise InputError(f"There is no {path.name} in {path.parent}: download the folder again.")
    if digest(path) != facts["file_sha256"]:
        raise InputError(
            f"{path} does not have the hash in {CONFIG}: it is incomplete, changed or from another "
            f"export. Download the folder again, or write it with save_pretrained."
        )
