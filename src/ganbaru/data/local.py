"""Sets that may not be passed on, or have no lasting address: found where the user put them."""

from __future__ import annotations

from pathlib import Path

from ganbaru.data.locate import places
from ganbaru.data.source import Original
from ganbaru.errors import InputError


def original(
    name: str, candidates: tuple[str, ...], advice: str, split: str, data_dir: Path | None
) -> Original:
    """Open the first of `candidates` (files or folders) that a place for data holds."""
    from ganbaru.data.formats import open_path  # which knows every set, and so this one

    looked = places(data_dir)
    found = [place / each for place in looked for each in candidates if (place / each).exists()]
    if not found:
        raise InputError(
            f"The set {name} is not here and cannot be downloaded. {advice} Then give it as "
            f"--data, or put it into one of {', '.join(map(str, looked))} as {candidates[0]}."
        )
    return open_path(found[0], split)
