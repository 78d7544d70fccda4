"""Folders in which data sets are found: the user's, $GANBARU_DATA, and the user's cache."""

from __future__ import annotations

import os
from pathlib import Path

from ganbaru.errors import InputError
from ganbaru.files import cache


def downloads() -> Path:
    """Return the folder that named sets are downloaded to, one sub-folder each."""
    return cache() / "downloads"


def data_folders(data_dir: Path | None) -> list[Path]:
    """Return the folders in which a named set is looked for, in order."""
    named = [("--data-dir", data_dir), ("$GANBARU_DATA", os.environ.get("GANBARU_DATA"))]
    found = []
    for origin, folder in named:
        if not folder:
            continue
        path = Path(folder).expanduser()
        if not path.is_dir():
            raise InputError(f"{origin} is {str(folder)!r}, which is not a folder. Correct it.")
        found.append(path)
    return [*found, downloads()]
