"""Write and load a folder to share, as model hubs store it: weights, config, card and images."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection
from pathlib import Path

from ganbaru import files
from ganbaru.errors import InputError, keywords
from ganbaru.export import metadata, model_card, weights
from ganbaru.report import credits as kept
from ganbaru.report.credits import UNSAID, Credits
from ganbaru.sampling import directions as named
from ganbaru.sampling import generators, image_io
from ganbaru.sampling.directions import Directions
from ganbaru.sampling.generators import Generator
from ganbaru.sampling.players import Player, load_player
from ganbaru.training import shared_model
from ganbaru.training.shared_model import CONFIG, FORMAT, WEIGHTS

CARD, PICTURE = "README.md", "samples.png"
ROWS = 4  # of the sample image


@keywords(checkpoint="which", output="folder")
def save_pretrained(
    run: str | Path,
    folder: str | Path,
    *,
    which: str = "auto",
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
    player = load_player(run, which, trust=trust)
    write(Path(folder), player, precision, kept.of_checkpoint(player.path))
    return Path(folder)


def place(folder: Path, overwrite: bool) -> Path:
    """Return the folder; raises InputError for files in it that may not be replaced."""
    for name in (WEIGHTS, CONFIG, CARD, PICTURE) if folder.is_dir() else ():
        files.output(folder / name, overwrite)
    return folder


def write(
    path: Path,
    player: Player,
    precision: str,
    credits: Credits = UNSAID,
    name: str = "",
    directions: Directions | None = None,
) -> list[str]:
    """Write a player's folder, `config.json` last; returns a summary.

    `name` is what the card loads the model by: by default the folder's name. `directions` are in
    `config.json`, None: all of the run's.
    """
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
    card = model_card.text(player, name or path.resolve().name, PICTURE, credits)
    files.write_text(path / CARD, files.signed(card))
    facts = {
        **metadata.facts(player, named.of(player) if directions is None else directions),
        **{key: text for key, text in dataclasses.asdict(credits).items() if text},
        "precision": precision,
        "file_sha256": shared_model.digest(path / WEIGHTS),
    }
    config = json.dumps({"format": FORMAT, **facts}, indent=2, ensure_ascii=False)
    files.write_text(path / CONFIG, config + "\n")
    return [
        f"{path}: {WEIGHTS} ({weights.size(path / WEIGHTS)}, {precision}), {CONFIG}, {CARD}, "
        f"{PICTURE}",
        f'load it in Python: ganbaru.from_pretrained("{path.as_posix()}")',
    ]


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
    path = shared_model.find(name, revision)
    return generators.load(path, engine=engine, device=device, trust=trust)
