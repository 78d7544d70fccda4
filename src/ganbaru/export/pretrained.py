"""A folder to share: a generator's weights, what they are, a card to read, and the way back.

It is what model hubs keep. `config.json` has the hash of the weights, so a folder whose files are
of two exports, or were cut short on their way, is told apart from a whole one.
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
ROWS = 4  # of the picture


def save_pretrained(
    run: str | Path, folder: str | Path, *, which: str = "newest", precision: str = "float32"
) -> Path:
    """Write a run's averaged generator as a folder to share; returns the folder.

    What else is in the folder stays. `run` and `which` are as in `ganbaru.load`. Raises InputError
    for what is unknown, missing or damaged.
    """
    write(Path(folder), load_player(run, which), precision)
    return Path(folder)


def write(path: Path, player: Player, precision: str) -> list[str]:
    """Write a player's folder, `config.json` last; returns lines that tell of it."""
    if player.name != "generator":
        raise InputError(
            f"A folder to share holds the generator, not the {player.name}: give a name ending in "
            f".safetensors or .onnx for that."
        )
    with files.writing(path):
        path.mkdir(parents=True, exist_ok=True)
    weights.write(path / WEIGHTS, player, precision)
    generator = generators.load(path / WEIGHTS)
    columns = image_io.columns(len(generator.classes))
    image_io.save_png(path / PICTURE, image_io.grid(generator.sample(ROWS * columns), columns))
    _write(path / CARD, model_card.text(player, path.resolve().name, PICTURE))
    facts = {**metadata.facts(player), "precision": precision, "file_sha256": _hash(path / WEIGHTS)}
    _write(path / CONFIG, json.dumps({"format": FORMAT, **facts}, indent=2, ensure_ascii=False))
    return [
        f"{path}: {WEIGHTS} ({weights.size(path / WEIGHTS)}, {precision}), {CONFIG}, {CARD}, "
        f"{PICTURE}",
        f'back in Python: ganbaru.from_pretrained("{path.as_posix()}")',
    ]


def _write(path: Path, text: str) -> None:
    files.write_text(path, text + "\n")


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def from_pretrained(
    name: str | Path,
    *,
    revision: str | None = None,
    engine: str = "numpy",
    device: str = "auto",
) -> Generator:
    """Load a shared generator from a folder, or by its name ``user/name`` on the Hugging Face hub.

    `revision` is a branch, tag or commit there; the hub needs the extra `hub`. Raises InputError
    for what is missing, damaged or cannot be fetched, and for a network from the hub that is a
    module of its author's, since naming one would be to import it.
    """
    folder = Path(name).expanduser()
    fetched = not folder.is_dir() and hub.is_name(str(name))
    if fetched:
        config, path = (hub.fetch(str(name), file, revision) for file in (CONFIG, WEIGHTS))
    else:
        config, path = folder / CONFIG, folder / WEIGHTS
    _check(_read(config), path)
    if fetched:
        _check_known(str(name), checkpoint.load(path, ())[1].config["network"])
    return generators.load(path, engine=engine, device=device)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {"format": int(found["format"]), "file_sha256": str(found["file_sha256"])}
    except FileNotFoundError as error:
        raise InputError(
            f"There is no shared model at {path.parent}: it has no {path.name}. Give a folder that "
            f"save_pretrained made, or a name on the hub such as user/name."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no description of a model of ganbaru's ({type(error).__name__}). Get the "
            f"folder anew, or make it with save_pretrained."
        ) from error


def _check(said: dict[str, Any], path: Path) -> None:
    """Raise InputError unless the weights are there and those that config.json tells of."""
    if said["format"] > FORMAT:
        raise InputError(
            f"{path.parent} was made by a newer ganbaru. Update this one: pip install -U ganbaru."
        )
    if not path.is_file():
        raise InputError(f"There is no {path.name} in {path.parent}: get the folder anew.")
    if _hash(path) != said["file_sha256"]:
        raise InputError(
            f"{path} is not the file that {CONFIG} beside it tells of: it was cut short, changed, "
            f"or is of another export. Get the folder anew, or make it with save_pretrained."
        )


def _check_known(name: str, network: str) -> None:
    if network not in registry.names("networks"):
        raise InputError(
            f"The network of {name} is {network!r}, a module of its author's own. If you trust it, "
            f"get that module and the folder yourself, and give the folder's path."
        )
