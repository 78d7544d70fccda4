"""The scores of a run in its log: the measure that ranks them, and milestones.json beside it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TypedDict

from ganbaru import files, records
from ganbaru.errors import InputError
from ganbaru.metrics.passport import Passport
from ganbaru.training import run_folder
from ganbaru.training.run_folder import Folder
from ganbaru.training.run_log import read_log

REMEDY = "Delete it: resuming the run with --resume writes it again."
MEASURE = "frechet"  # ranks the contestants of a tournament
# Chooses the best checkpoint and ends a run: of 2,000 images, MIND ranks checkpoints as the Fréchet
# distance of 10,000 does. It falls both with better images and with more variety, while coverage
# saturates.
BEST = "mind"


class Stored(TypedDict):
    """The content of milestones.json."""

    passport: Passport
    floors: dict[str, float]


def baselines(folder: Folder) -> dict[str, float]:
    """Return the scores of real images, {} for a run without scores in its log.

    Raises InputError when the file is damaged.
    """
    found = _stored(folder)
    return found["floors"] if found else {}


def passport(folder: Folder) -> Passport | None:
    """Return everything that the scores in a run's log depend on, None if it has no scores.

    Raises InputError when the file is damaged.
    """
    found = _stored(folder)
    return found["passport"] if found else None


def chosen(run: str | Path, which: str = run_folder.AUTO) -> list[str]:
    """Return a sentence where `which` is auto and the checkpoint is the best one, not the newest.

    `run` may also be what has no checkpoints, such as a folder of images.
    """
    try:
        path = run_folder.find_checkpoint(run, which)
    except InputError:
        return []
    if which != run_folder.AUTO or path.name != run_folder.BEST:
        return []
    scored = [line for line in read_log(run_folder.existing(run)) if BEST in line]
    best = min(scored, key=lambda line: line[BEST], default=None)
    score = f", MIND {best[BEST]:.4g} at {best['images']:,.0f} images" if best else ""
    return [f"The best checkpoint{score}: {path}. For the newest: --checkpoint newest."]


def _stored(folder: Folder) -> Stored | None:
    path = folder.milestones
    return records.read(path, Stored, REMEDY) if path.exists() else None


def write(folder: Folder, passport: Passport, baselines: dict[str, float]) -> None:
    """Write milestones.json."""
    files.write_json(folder.milestones, {"passport": asdict(passport), "floors": baselines})
