"""The zoo: generators that come with the package, under names such as ``zoo:digits``."""

from __future__ import annotations

from pathlib import Path

from ganbaru.errors import pick

PREFIX = "zoo:"
_FOLDER = Path(__file__).resolve().parents[1] / "zoo"


def models() -> dict[str, Path]:
    """Return the files of the zoo's generators by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.safetensors"))}


def find(name: str) -> Path:
    """Return the file of ``zoo:NAME``; raises InputError with the known names."""
    return pick("model of the zoo", name, {f"{PREFIX}{each}": x for each, x in models().items()})
