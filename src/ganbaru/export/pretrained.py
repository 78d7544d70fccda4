"""Write and load a folder to share, as model hubs store it: weights, config, card and images.

`config.json` has the hash of the weights, which reveals files of different exports or incomplete
downloads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, TypedDict

from ganbaru import files, records
from ganbaru.errors import InputError
from ganbaru.export import hub, metadata, model_card, weights
from ganbaru.sampling import generators, image_io
from ganbaru.sampling.generators import Generator
from ganbaru.sampling.players import Player, load_player

FORMAT = 1
WEIGHTS, CONFIG, CARD, PICTURE = "model.safetensors", "config.json", "README.md", "samples.png"
ROWS = 4  # of the sample image


def save_pretrained(
    run: str | Path,
    folder: str | Path,
    *,
    which: str = "newest",
    precision: str = "float32",
    trust: Collection[str] = (),
    overwrite: bool = False,
) -> Path:
    """Write a run's EMA generator as a folder to share; returns the folder.

    Other files in the folder stay. `run`, `which` and `trust` are as in `ganbaru.load`. Raises
    InputError for a missing or damaged checkpoint, an unknown precision, and without `overwrite`
    for a file of the same name, such as a README.md, that ganbaru did not write or that was edited
    since.
    """
    place(Path(folder), overwrite)
    write(Path(folder), load_player(run, which, trust=trust), precision)
    return Path(folder)


def place(folder: Path, overwrite: bool) -> Path:
    """Return the folder; raises InputError for files in it that may not be replaced."""
    for name in (WEIGHTS, CONFIG, CARD, PICTURE) if folder.is_dir() else ():
        files.output(folder / name, overwrite)
    return folder


def write(path: Path, player: Player, precision: str) -> list[str]:
    """Write a player's folder, `config.json` last; returns a summary."""
    if player.name != "generator":
        raise InputError(
            f"A folder to share holds the generator, not the {player.name}: give a name ending in "
            f".safetensors or .onnx instead."
        )
    with files.writing(path):
        path.mkdir(parents=True, exist_ok=True)
    weights.write(path / WEIGHTS, player, precision)
    generator = generators.load(path / WEIGHTS)
    columns = image_io.columns(len(generator.classes))
    image_io.save_png(path / PICTURE, image_io.grid(generator.sample(ROWS * columns), columns))
    files.write_text(
        path / CARD, files.signed(model_card.text(player, path.resolve().name, PICTURE))
    )
    facts = {**metadata.facts(player), "precision": precision, "file_sha256": _hash(path / WEIGHTS)}
    config = json.dumps({"format": FORMAT, **facts}, indent=2, ensure_ascii=False)
    files.write_text(path / CONFIG, config + "\n")
    return [
        f"{path}: {WEIGHTS} ({weights.size(path / WEIGHTS)}, {precision}), {CONFIG}, {CARD}, "
        f"{PICTURE}",
        f'load it in Python: ganbaru.from_pretrained("{path.as_posix()}")',
    ]


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def from_pretrained(
    name: str | Path,
    *,
    revision: str | None = None,
    engine: str = "numpy",
    device: str = "auto",
    trust: Collection[str] = (),
) -> Generator:
    """Load a shared generator from a folder, or as ``user/name`` from the Hugging Face hub.

    `revision` is a branch, tag or commit there; the hub needs the extra `hub`. `trust` is as in
    `ganbaru.load`: a network that is its author's own module is never downloaded. Raises InputError
    for a missing or damaged file, a failed download, and a network that is not trusted.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir() and hub.is_name(str(name)):
        config, path = (hub.fetch(str(name), file, revision) for file in (CONFIG, WEIGHTS))
    else:
        config, path = folder / CONFIG, folder / WEIGHTS
    _check(_read(config), path)
    return generators.load(path, engine=engine, device=device, trust=trust)


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
            f"{path.parent} was written by a newer ganbaru. Update: pip install -U ganbaru."
        )
    if not path.is_file():
        raise InputError(f"There is no {path.name} in {path.parent}: download the folder again.")
    if _hash(path) != facts["file_sha256"]:
        raise InputError(
            f"{path} does not have the hash in {CONFIG}: it is incomplete, changed or from another "
            f"export. Download the folder again, or write it with save_pretrained."
        )
