"""The contents of a report: everything that a run's folder holds, read from its files."""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from ganbaru import __version__, files, nn, records
from ganbaru.config import Config, from_file, load_yaml
from ganbaru.metrics import memorization, milestones, passport
from ganbaru.metrics.memorization import Authenticity
from ganbaru.metrics.passport import Evaluation
from ganbaru.records import Count
from ganbaru.report import credits, sharing
from ganbaru.report.credits import UNSAID, Credits
from ganbaru.training import checkpoint, run_folder
from ganbaru.training.run import Run, describe_data
from ganbaru.training.run_folder import Folder
from ganbaru.training.run_log import Line, read_log

Warn = Callable[[str], object]


@dataclass(frozen=True)
class Facts:
    """Everything that is known of a run."""

    folder: Folder
    config: Config
    data: Mapping[str, Any]  # name, fingerprint, classes, shape, and the count if known
    made: Mapping[str, Any]  # machine and versions, those that are recorded
    log: list[Line]
    baselines: dict[str, float]  # of the scores in the log; {} without scores
    grids: list[Path]
    scores: list[Evaluation]
    authenticity: Authenticity | None
    history: list[checkpoint.Change] = field(default_factory=list)  # of its settings
    warnings: Mapping[str, str] = field(default_factory=dict)  # of its result, by code
    credits: Credits = UNSAID

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
        "history": run.history,
        "warnings": run.warnings,
    }
    files.write_json(run.folder.about, found)


def read(folder: Folder, warn: Warn = lambda text: None) -> Facts:
    """Read a run's folder; raises InputError if a file in it is damaged.

    Damaged lines of the log are left out, and `warn` is called with a sentence about them. Nothing
    of it is a path of this machine, since reports are shared.
    """
    config = from_file(load_yaml(folder.config), folder.config)
    clean = functools.partial(sharing.cleaned, places=sharing.places(folder.path, config))
    found = clean(_about(folder))
    return Facts(
        folder=folder,
        config=sharing.public(config),
        data=found["data"],
        made=found["made"],
        log=read_log(folder, warn),
        baselines=milestones.baselines(folder),
        grids=[path for path in sorted(folder.samples.glob("*.png")) if path.stem.isdecimal()],
        scores=clean(passport.stored(folder.path)),
        authenticity=clean(memorization.stored(folder.path)),
        history=found.get("history", []),
        warnings=found.get("warnings", {}),
        credits=credits.read(folder),
    )


class _CountedData(checkpoint.DataFacts, total=False):
    count: Count


class _Machine(TypedDict, total=False):
    ganbaru: str
    engine: str
    python: str
    numpy: str
    system: str
    cores: Count
    parameters: dict[str, Count]


class _Required(TypedDict):
    data: _CountedData
    made: _Machine


class About(_Required, total=False):
    """The content of about.json."""

    history: list[checkpoint.Change]
    warnings: dict[str, str]


def _about(folder: Folder) -> About:
    """Return what `note` wrote; older runs have the data in their checkpoints."""
    if not folder.about.exists():
        path = run_folder.find_checkpoint(folder.path)
        data: Any = checkpoint.load(path, ())[1].data
        return {"data": data, "made": {}}
    return about(folder)


def about(folder: Folder) -> About:
    """Read about.json; raises InputError if it is absent or damaged."""
    return records.read(folder.about, About, "Delete it: the report then reads a checkpoint.")
