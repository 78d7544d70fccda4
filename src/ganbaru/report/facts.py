"""The contents of a report: everything that a run's folder holds, read from its files."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru import __version__, files, nn
from ganbaru.config import Config, from_file, load_yaml
from ganbaru.metrics import memorization, milestones, passport
from ganbaru.metrics.memorization import Authenticity
from ganbaru.metrics.passport import Evaluation
from ganbaru.training import checkpoint, run_folder
from ganbaru.training.run import Run, describe_data
from ganbaru.training.run_folder import Folder
from ganbaru.training.run_log import Line, read_log


@dataclass(frozen=True)
class Facts:
    """Everything that is known of a run."""

    folder: Folder
    config: Config
    data: dict[str, Any]  # name, fingerprint, classes, shape, and the count if known
    made: dict[str, Any]  # machine and versions; {} if not recorded
    log: list[Line]
    baselines: dict[str, float]  # of the scores in the log; {} without scores
    grids: list[Path]
    scores: list[Evaluation]
    authenticity: Authenticity | None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.path.resolve().name


def note(run: Run) -> None:
    """Record the run's data, parameter counts, versions and machine in its folder."""
    players = ("generator", "discriminator")
    known = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
    found = {
        "data": {**describe_data(run.source), "count": len(run.source.images)},
        "made": {
            "ganbaru": __version__,
            "engine": run.engine.describe(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "system": f"{platform.system()} {platform.machine()}",
            "cores": cores,
            "parameters": {name: nn.parameter_count(run.state[name]) for name in players},
        },
    }
    files.write_json(run.folder.about, found)


def read(folder: Folder) -> Facts:
    """Read a run's folder; raises InputError if a file in it is damaged."""
    found = _about(folder)
    return Facts(
        folder=folder,
        config=from_file(load_yaml(folder.config), folder.config),
        data=found["data"],
        made=found["made"],
        log=read_log(folder),
        baselines=milestones.baselines(folder),
        grids=sorted(folder.samples.glob("[0-9]*.png")),
        scores=passport.stored(folder.path),
        authenticity=memorization.stored(folder.path),
    )


def _about(folder: Folder) -> dict[str, Any]:
    """Return what `note` wrote; older runs have the data in their checkpoints."""
    if not folder.about.exists():
        path = run_folder.find_checkpoint(folder.path)
        return {"data": checkpoint.load(path, ())[1].data, "made": {}}
    return files.read_json(
        folder.about,
        lambda found: {name: dict(found[name]) for name in ("data", "made")},
        "Delete it: the report then reads a checkpoint.",
    )
