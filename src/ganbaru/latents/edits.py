"""Move images along named directions of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.data import Progress
from ganbaru.errors import keywords
from ganbaru.latents import projected, sheets
from ganbaru.latents.layer_features import by_discriminator
from ganbaru.latents.named import images, normal
from ganbaru.latents.outputs import by_ending, write_npz
from ganbaru.sampling import directions as known_directions
from ganbaru.sampling import image_io, latent_spaces, writers
from ganbaru.sampling.generators import Generator, on_engine
from ganbaru.sampling.image_io import Images
from ganbaru.sampling.labels import Inputs
from ganbaru.sampling.players import load_player


@dataclass(frozen=True)
class Edited:
    """Images (N, H, W, C) before and after, and the latents (N, Z) after; `names` say which."""

    names: tuple[str, ...]
    before: Images
    images: Images
    latents: NDArray[np.float32]
    labels: Inputs | None
    generator: Generator
    steps: Mapping[str, float]
    notes: tuple[str, ...]
    output: Path | None


@keywords(checkpoint="which")
def edit(
    run: str | Path,
    along: Sequence[str] | Mapping[str, float],
    output: str | Path | None = "edit.png",
    *,
    seed: int = 0,
    number: int = 1,
    label: int | str | None = None,
    pictures: Sequence[str | Path] = (),
    keep: Sequence[str] = (),
    which: str = "auto",
    engine: str = "numpy",
    device: str = "auto",
    trust: Collection[str] = (),
    overwrite: bool = False,
    progress: Progress | bool = True,
) -> Edited:
    """Move the images of seeds, or of pictures, along a run's directions.

    `along` are steps in standard deviations, {"smiling": 1.5} or "smiling=+1.5", and `keep` the
    directions along which nothing moves. `output` is a .png with the images before and after, an
    .npz as of `project`, a folder with both and each image, or None. The rest is as in `generate`
    and `project`. Raises InputError.
    """
    path = None if output is None else Path(output)
    ways = {".png": _write_sheet, ".npz": _write_npz, "": _write_folder}
    write = by_ending(path, "edited images", ways, overwrite)
    player = load_player(run, which, trust=trust)
    known = known_directions.of(player)
    chosen = known_directions.steps(along, known)
    generator = on_engine(player, engine, device)
    if pictures:
        judge = by_discriminator(player.path, which, trust)
        result = projected.by(player, generator, pictures, label, progress, features=judge)
        names = result.names
        latents, labels = result.found.latents, result.found.labels
    else:
        seeds = generator.seeds(number, seed)
        latents, labels = generator.latents(seeds), generator.labels(seeds, label)
        names = tuple(f"seed {each}" for each in seeds)
    w = normal(generator, latents)
    after = known_directions.moved(w, chosen, known, keep)
    made = latent_spaces.space(generator.distribution).from_normal(after)
    taken = {name: known[name] for name in chosen}
    notes = tuple(known_directions.stale(taken, player.header.images))
    before, moved = (images(generator, each, labels) for each in (w, after))
    found = Edited(names, before, moved, made, labels, generator, chosen, notes, path)
    write(found)
    return found


def _write_sheet(path: Path, found: Edited) -> None:
    both = zip(found.before, found.images, strict=True)
    rows = [(Path(name).name, pair) for name, pair in zip(found.names, both, strict=True)]
    said = ", ".join(f"{name} {step:+g}" for name, step in found.steps.items())
    sheets.save(path, [said], rows, columns=4)


def _write_npz(path: Path, found: Edited) -> None:
    arrays: dict[str, Any] = {
        name: getattr(found, name) for name in ("images", "latents", "before")
    }
    if found.labels is not None:
        arrays |= writers.labelled(found.generator, found.labels)
    write_npz(path, arrays)


def _write_folder(path: Path, found: Edited) -> None:
    stems = image_io.file_names([Path(name).stem for name in found.names])
    for name, image in zip(stems, found.images, strict=True):
        image_io.save_png(path / f"{name}.png", image)
    _write_sheet(path / "sheet.png", found)
    _write_npz(path / "edit.npz", found)
