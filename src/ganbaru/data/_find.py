"""Where data lie: the folder the user names, $GANBARU_DATA, and the user's cache."""

from __future__ import annotations

import os
from pathlib import Path

from ganbaru.errors import InputError


def cache() -> Path:
    """Return the folder for downloads and decoded images: $GANBARU_CACHE or the platform's own."""
    if named := os.environ.get("GANBARU_CACHE"):
        return Path(named).expanduser()
    import pooch  # 80 ms, and only needed here

    return Path(pooch.os_cache("ganbaru"))


def downloads() -> Path:
    """Return the folder that named sets are downloaded to, one sub-folder each."""
    return cache() / "downloads"


def places(data_dir: Path | None) -> list[Path]:
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
