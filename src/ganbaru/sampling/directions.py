"""Directions with names: unit vectors of the latent space, stored beside a run's checkpoints.

They are of latents as normal numbers (uniform latents are mapped to them and back), so a step of 1
along any of them is one standard deviation of random latents.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import files, records
from ganbaru.errors import InputError, pick, shortened
from ganbaru.records import Range
from ganbaru.sampling.players import Player
from ganbaru.training import run_folder

NAME, FILE = "[a-zA-Z][a-zA-Z0-9_-]{0,39}", "directions.json"
MOST, LIMIT = 256, 10.0  # directions in a file; steps along one, in standard deviations
MANY = 4096  # numbers of a latent
NONE = "none"  # in place of names: no direction; so none may have this name
REMEDY = "Delete it, and find the directions again with `ganbaru directions`."

FIND = "find some with `ganbaru directions RUN --main 8`"

Share = Annotated[float, Range(0, 1)]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Direction:
    """A unit vector (Z,) and where it is from.

    `way` is how it was found, `of` the number of images it was fitted to (0: of none), `accuracy`
    the balanced held-out accuracy of a fit (None: too few images), and `chance` that of guessing.
    `pixels` is the mean change of a pixel, in levels of 255, by a step of 1, and `also` how far
    such a step moves the image along other directions. `checkpoint` is the images that the
    checkpoint had been trained on.
    """

    vector: Annotated[list[Annotated[float, Range(-1, 1)]], Range(1, MANY)]
    way: Annotated[str, Range(1, 40)]
    checkpoint: Annotated[str, Range(0, 200)]
    of: records.Count = 0
    accuracy: Share | None = None
    chance: Share | None = None
    pixels: Annotated[float, Range(0, 255)] = 0.0
    also: dict[str, Annotated[float, Range(-1, 1)]] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for numbers that do not belong together."""
        if self.accuracy is not None and self.chance is None:
            raise ValueError(f"an accuracy of {self.accuracy:g} without that of guessing (chance)")

    def line(self) -> str:
        """Return what is known of it, in one line."""
        parts = [self.way]
        if self.of:
            parts.append(f"{self.of:,} images")
        if self.accuracy is not None:
            parts.append(f"held-out accuracy {self.accuracy:.0%} (chance {self.chance:.0%})")
        elif self.of and self.chance is not None:
            parts.append("accuracy not measured: too few images")
        parts.append(f"{self.pixels:.1f} levels of 255 a step")
        near = sorted((self.also or {}).items(), key=lambda each: -abs(each[1]))[:3]
        if near:
            parts.append("also " + ", ".join(f"{name} {share:+.2f}" for name, share in near))
        return ", ".join(parts)


Directions = Mapping[str, Direction]


@dataclass(frozen=True)
class _File:
    directions: Annotated[dict[str, Direction], Range(0, MOST)]


def place(player: Player) -> Path:
    """Return the file of a run's directions: in its folder, or by name here for a file of none."""
    folder = player.path.resolve().parent.parent
    if (folder / "config.yaml").exists():
        return folder / FILE
    return Path(f"{run_folder.name_of(player.path)}-{FILE}")


def read(path: Path, latent: int) -> dict[str, Direction]:
    """Read a file of directions, {} if there is none; raises InputError for what does not fit."""
    if not path.exists():
        return {}
    found = records.read(path, _File, REMEDY).directions
    for name, each in found.items():
        norm = float(np.linalg.norm(each.vector))
        if not re.fullmatch(NAME, name) or len(each.vector) != latent or abs(norm - 1) > 1e-3:
            raise InputError(
                f"{path}: the direction {shortened(name)!r} has {len(each.vector)} numbers of norm "
                f"{norm:.4g}: it must have {latent}, of norm 1, and a name of letters, digits, - "
                f"and _. {REMEDY}"
            )
    return found


def parsed(text: str | None) -> list[str] | None:
    """Return the names in a text such as "smiling,glasses"; [] for "none", None for None."""
    return None if text is None else [] if text == NONE else text.split(",")


def of(player: Player, names: Sequence[str] | None = None) -> dict[str, Direction]:
    """Return a run's directions: all, or those of `names` in their order; raises InputError."""
    known = read(place(player), player.shape[0])
    for name in names or ():
        if not known:
            raise InputError(f"This run has no directions, such as {shortened(name)!r}: {FIND}.")
        pick("direction", name, known)
    return known if names is None else {name: known[name] for name in names}


def stale(found: Directions, images: int) -> list[str]:
    """Return the notes on directions of other checkpoints than that after `images` images."""
    others = sorted({each.checkpoint for each in found.values()} - {str(images)})
    return [
        f"found at {other} images, and this checkpoint has {images}: find the directions again if "
        f"they do not fit"
        for other in others
    ]


def write(path: Path, found: Directions) -> None:
    """Write a file of directions."""
    if len(found) > MOST:
        raise InputError(f"{path} would have {len(found)} directions: {MOST} are allowed.")
    content = {name: asdict(each) for name, each in found.items()}
    files.write_json(path, {"ganbaru": "directions", "directions": content})


def named(name: str) -> str:
    """Return a name if it may be a direction's; raises InputError."""
    if not re.fullmatch(NAME, name) or name == NONE:
        raise InputError(
            f"{shortened(name)!r} is no name of a direction: give up to 40 letters, digits, - and "
            f"_, a letter first, but not {NONE}."
        )
    return name


def steps(along: Sequence[str] | Mapping[str, float], known: Directions) -> dict[str, float]:
    """Return the steps by direction of texts such as "smiling=+1.5"; raises InputError."""
    given: dict[str, Any] = {}
    pairs = along.items() if isinstance(along, Mapping) else (x.partition("=")[::2] for x in along)
    for name, value in pairs:
        try:
            given[name] = float(value)
        except (ValueError, TypeError):
            given[name] = np.nan
        if not abs(given[name]) <= LIMIT:
            raise InputError(
                f"--along {shortened(f'{name}={value}')!r} is no step: give a name and a number of "
                f"standard deviations from -{LIMIT:g} to {LIMIT:g}, such as smiling=+1.5."
            )
    if given and not known:
        raise InputError(f"This run has no directions yet: {FIND}.")
    for name in given:
        pick("direction", name, known)
    if not given:
        raise InputError("Give at least one direction and step, such as --along smiling=+1.5.")
    return given


def moved(w: Array, chosen: Mapping[str, float], known: Directions, keep: Sequence[str]) -> Array:
    """Return normal numbers (N, Z) after steps along directions.

    The parts of the steps along the directions `keep` are taken out (conditional manipulation, Shen
    et al. 2020, section 2.2).
    """
    total = sum(step * np.asarray(known[name].vector) for name, step in chosen.items())
    for name in keep:
        pick("direction", name, known)
    if keep:
        kept, _ = np.linalg.qr(np.stack([known[name].vector for name in keep], axis=1))
        total = total - kept @ (kept.T @ total)
        if np.linalg.norm(total) < 1e-6:
            raise InputError("Nothing of the step is left: leave out a --keep.")
    found: Array = w + total
    return found
