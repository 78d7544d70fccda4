"""Run folders: the paths of a run's files, and finding runs and checkpoints by name."""

from __future__ import annotations

import datetime
import os
import shutil
from pathlib import Path

from ganbaru.config import Config
from ganbaru.errors import InputError, did_you_mean
from ganbaru.training import checkpoint

RUNS = Path("runs")


class Folder:
    """The paths of one run's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.log = path / "log.jsonl"  # one JSON object a line
        self.checkpoints = path / "checkpoints"
        self.best = self.checkpoints / "best.safetensors"  # with the best score
        self.milestones = path / "milestones.json"  # passport and baselines of the log's scores
        self.losses = path / "losses.png"  # plot of the losses and mean logits in the log
        self.scores = path / "scores.png"  # plot of the scores in the log
        self.samples = path / "samples"  # the sample grids
        self.timelapse = path / "timelapse.gif"  # of the sample grids
        self.class_timelapses = path / "timelapse"  # of one class each
        self.history = path / "history.png"  # fixed latents at several moments of the run
        self.tensorboard = path / "tensorboard"  # event files
        self.about = path / "about.json"  # data, versions and machine, for the report
        self.report = path / "report.html"

    def checkpoint(self, images: int) -> Path:
        """Return the path of the checkpoint at `images`."""
        return self.checkpoints / f"{images:010d}.safetensors"

    def sample(self, images: int) -> Path:
        """Return the path of the sample grid at `images`."""
        return self.samples / f"{images:010d}.png"

    def class_timelapse(self, name: str) -> Path:
        """Return the path of the time-lapse of a class."""
        return self.class_timelapses / f"{name}.gif"


def resolve(name: str | Path) -> Path:
    """Turn a path, or a bare name below runs/, into a path; ./NAME is a path."""
    path = Path(name)
    if len(path.parts) != 1:
        return path
    return path.absolute() if {"/", os.sep} & set(str(name)) else RUNS / path


def planned(config: Config) -> Folder:
    """Return a new run's folder: `config.run`, or preset, date and the first free number."""
    if config.run:
        return Folder(resolve(config.run))
    return Folder(unused(config.preset or "run"))


def unused(name: str) -> Path:
    """Return a path below runs/ of the name, the date and the first free number."""
    today, number = datetime.date.today().isoformat(), 1
    while (path := RUNS / f"{name}-{today}-{number}").exists():
        number += 1
    return path


def prepare(folder: Folder, overwrite: bool) -> None:
    """Make a new run's folder; raises InputError if it is not empty and no run to overwrite."""
    try:
        if folder.path.exists() and any(folder.path.iterdir()):
            _clear(folder, overwrite)
        for path in (folder.path, folder.checkpoints, folder.samples):
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot make the run's folder {folder.path}: {error.strerror}. "
            f"Choose a --run where you may write."
        ) from error


def _clear(folder: Folder, overwrite: bool) -> None:
    if not overwrite:
        raise InputError(
            f"The folder {folder.path} is not empty. Go on from its newest checkpoint with "
            f"--resume, replace it with --overwrite, or choose another --run."
        )
    if not folder.config.exists():
        raise InputError(
            f"The folder {folder.path} holds no run (no config.yaml), so --overwrite does not "
            f"delete it. Choose another --run."
        )
    shutil.rmtree(folder.path)


def existing(name: str | Path) -> Folder:
    """Find a run's folder; raises InputError with the names of the runs below runs/."""
    path = resolve(name)
    for place in (path, Path(name)):
        if (place / "config.yaml").exists():
            return Folder(place)
    names = sorted(found.parent.name for found in RUNS.glob("*/config.yaml"))
    known = f"Runs here: {', '.join(names)}." if names else "There are no runs below runs/ yet."
    raise InputError(f"There is no run at {path}.{did_you_mean(path.name, names)} {known}")


def find_checkpoint(name: str | Path, which: str = "newest") -> Path:
    """Find a checkpoint: a file, or a run's "newest", "best" or the one at a number of images."""
    if Path(name).suffix == ".safetensors":
        return Path(name)
    folder = existing(name)
    present = checkpoint.found(folder.checkpoints)
    if which == "best" and folder.best.exists():
        return folder.best
    if not present:
        raise InputError(
            f"The run {folder.path} has no checkpoint yet: start it again with --overwrite."
        )
    if which == "newest":
        return present[-1]
    matches = [path for path in present if which.isdigit() and int(path.stem) == int(which)]
    if not matches:
        known = ", ".join(str(int(path.stem)) for path in present)
        best = " Runs with --evaluate-every save the best one." * (which == "best")
        raise InputError(
            f"There is no checkpoint {which!r} in {folder.path}. At images: {known}.{best}"
        )
    return matches[0]


def find_checkpoints(name: str | Path, which: str = "newest") -> list[Path]:
    """Find one checkpoint, or all that a run still has for "all"."""
    if which != "all" or Path(name).suffix == ".safetensors":
        return [find_checkpoint(name, which)]
    return checkpoint.found(find_checkpoint(name).parent)
