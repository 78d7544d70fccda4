"""Run folders: where a run's files lie, and how a name finds them."""

from __future__ import annotations

import datetime
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ganbaru.config import Config
from ganbaru.errors import InputError, did_you_mean
from ganbaru.training import checkpoint

RUNS = Path("runs")


@dataclass(frozen=True)
class Folder:
    """The files of one run."""

    path: Path

    @property
    def config(self) -> Path:
        """The configuration, YAML."""
        return self.path / "config.yaml"

    @property
    def log(self) -> Path:
        """The log: one JSON object on each line."""
        return self.path / "log.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """The checkpoint with the best score."""
        return self.checkpoints / "best.safetensors"

    @property
    def milestones(self) -> Path:
        """What the scores in the log depend on, and what real images get; JSON."""
        return self.path / "milestones.json"

    @property
    def scores(self) -> Path:
        """The plot of the scores in the log."""
        return self.path / "scores.png"

    @property
    def samples(self) -> Path:
        """The folder of the sample grids."""
        return self.path / "samples"

    @property
    def timelapse(self) -> Path:
        """The film of the sample grids."""
        return self.path / "timelapse.gif"

    @property
    def class_timelapses(self) -> Path:
        """The folder of the films of one class each."""
        return self.path / "timelapse"

    @property
    def history(self) -> Path:
        """The picture of the fixed latents at each milestone."""
        return self.path / "history.png"

    @property
    def tensorboard(self) -> Path:
        """The folder of the records for TensorBoard."""
        return self.path / "tensorboard"

    @property
    def losses(self) -> Path:
        """The plot of the log."""
        return self.path / "losses.png"

    @property
    def about(self) -> Path:
        """What the report is told of data and machine, JSON."""
        return self.path / "about.json"

    @property
    def report(self) -> Path:
        """The report: one HTML file."""
        return self.path / "report.html"

    def checkpoint(self, images: int) -> Path:
        """Where the checkpoint at `images` lies."""
        return self.checkpoints / f"{images:010d}.safetensors"

    def sample(self, images: int) -> Path:
        """Where the sample grid at `images` lies."""
        return self.samples / f"{images:010d}.png"

    def class_timelapse(self, name: str) -> Path:
        """Where the film of a class lies."""
        return self.class_timelapses / f"{name}.gif"


def resolve(name: str | Path) -> Path:
    """Turn a path, or a bare name below runs/, into a path; ./NAME is a path."""
    path = Path(name)
    if len(path.parts) != 1:
        return path
    return path.absolute() if {"/", os.sep} & set(str(name)) else RUNS / path


def planned(config: Config) -> Folder:
    """Return a new run's folder: the one it names, or preset, date and the first free number."""
    if config.run:
        return Folder(resolve(config.run))
    today = datetime.date.today().isoformat()
    number = 1
    while (path := RUNS / f"{config.preset or 'run'}-{today}-{number}").exists():
        number += 1
    return Folder(path)


def prepare(folder: Folder, overwrite: bool) -> None:
    """Make a new run's folder; refuses one that holds anything, unless told to overwrite a run."""
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
    """Find a run's folder, or raise InputError with the names of those there are."""
    path = resolve(name)
    for place in (path, Path(name)):
        if (place / "config.yaml").exists():
            return Folder(place)
    there = sorted(found.parent.name for found in RUNS.glob("*/config.yaml"))
    known = f"Runs here: {', '.join(there)}." if there else "There are no runs below runs/ yet."
    raise InputError(f"There is no run at {path}.{did_you_mean(path.name, there)} {known}")


def find_checkpoint(name: str | Path, which: str = "newest") -> Path:
    """Find a checkpoint: a file itself, a run's newest or best, or that at a number of images."""
    if Path(name).suffix == ".safetensors":
        return Path(name)
    folder = existing(name)
    there = checkpoint.found(folder.checkpoints)
    if which == "best" and folder.best.exists():
        return folder.best
    if not there:
        raise InputError(
            f"The run {folder.path} has no checkpoint yet: start it again with --overwrite."
        )
    if which == "newest":
        return there[-1]
    matches = [path for path in there if which.isdigit() and int(path.stem) == int(which)]
    if not matches:
        known = ", ".join(str(int(path.stem)) for path in there)
        best = " The best is kept by runs that train with --evaluate-every." * (which == "best")
        raise InputError(
            f"There is no checkpoint {which!r} in {folder.path}. At images: {known}.{best}"
        )
    return matches[0]


def find_checkpoints(name: str | Path, which: str = "newest") -> list[Path]:
    """Find a checkpoint, or "all" those that a run keeps."""
    if which != "all" or Path(name).suffix == ".safetensors":
        return [find_checkpoint(name, which)]
    return checkpoint.found(find_checkpoint(name).parent)
