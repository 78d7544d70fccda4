"""The scores of a run in its log: the measure that ranks them, and milestones.json beside it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from ganbaru import files
from ganbaru.errors import InputError
from ganbaru.metrics.passport import Passport
from ganbaru.training.run_folder import Folder

# The best checkpoint has the lowest Fréchet distance: it falls both with better images and with
# more variety, while coverage saturates.
MEASURE = "frechet"


def baselines(folder: Folder) -> dict[str, float]:
    """Return the scores of real images, {} for a run without scores in its log.

    Raises InputError when the file is damaged.
    """
    return _read(folder, "floors") if folder.milestones.exists() else {}


def passport(folder: Folder) -> Passport | None:
    """Return everything that the scores in a run's log depend on, None if it has no scores.

    Raises InputError when the file is damaged.
    """
    return Passport(**_read(folder, "passport")) if folder.milestones.exists() else None


def write(folder: Folder, passport: Passport, baselines: dict[str, float]) -> None:
    """Write milestones.json."""
    found = {"passport": asdict(passport), "floors": baselines}
    files.write_text(folder.milestones, json.dumps(found, indent=1, ensure_ascii=False))


def _read(folder: Folder, part: str) -> dict[str, Any]:
    path = folder.milestones
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))[part])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}). Delete it: resuming the run with "
            f"--resume writes it again."
        ) from error
