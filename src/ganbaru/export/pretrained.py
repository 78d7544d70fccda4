"""Write and load a folder to share, as model hubs store it: weights, config, card and images.

`config.json` has the hash of the weights, which reveals files of different exports or incomplete
downloads.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ganbaru import files, registry
from ganbaru.errors import InputError
from ganbaru.export import hub, metadata, model_card, weights
from ganbaru.sampling import generators, image_io
from ganbaru.sampling.generators import Generator
from ganbaru.sampling.players import Player, load_player
from ganbaru.training import checkpoint

FORMAT = 1
WEIGHTS, CONFIG, CARD, PICTURE = "model.safetensors", "config.json", "README.md", "samples.png"
ROWS = 4  # of the sample image


def save_pretrained(
    run: str | Path,
    folder: str | Path,
    *,
    which: str = "newest",
    precision: str = "float32",
    overwrite: bool = False,
) -> Path:
    """Write a run's EMA generator as a folder to share; returns the folder.

    Other files in the folder stay. `run` and `which` are as in `ganbaru.load`. Raises InputError
    for a missing or damaged checkpoint, an unknown precision, and without `overwrite` for a file
    of the same name, such as a README.md, that ganbaru did not write or that was edited since.
    """
    place(Path(folder), overwrite)
    write(Path(folder), load_player(run, which), precision)
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
) -> Generator:
    """Load a shared generator from a folder, or as ``user/name`` from the Hugging Face hub.

    `revision` is a branch, tag or commit there; the hub needs the extra `hub`. Raises InputError
    for a missing or damaged file, a failed download, and a model from the hub whose network is its
    author's own module, since loading it would import that module.
    """
    folder = Path(name).expanduser()
    remote = not folder.is_dir() and hub.is_name(str(name))
    if remote:
        config, path = (hub.fetch(str(name), file, revision) for file in (CONFIG, WEIGHTS))
    else:
        config, path = folder / CONFIG, folder / WEIGHTS
    _check(_read(config), path)
    if remote:
        _check_known(str(name), checkpoint.load(path, ())[1].config["network"])
    return generators.load(path, engine=engine, device=device)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {"format": int(found["format"]), "file_sha256": str(found["file_sha256"])}
    except FileNotFoundError as error:
        raise InputError(
            f"There is no shared model at {path.parent}: it has no {path.name}. Give a folder of "
            f"save_pretrained, or a name on the hub such as user/name."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} does not describe a model of ganbaru ({type(error).__name__}). Download the "
            f"folder again, or write it with save_pretrained."
        ) from error


def _check(facts: dict[str, Any], path: Path) -> None:
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


def _check_known(name: str, network: str) -> None:
    if network not in registry.names("networks"):
        raise InputError(
            f"The network of {name} is {network!r}, its author's own module. If you trust it, "
            f"download that module and the folder yourself, and give the folder's path."
        )
