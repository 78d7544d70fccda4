"""Run folders: where a run's files lie, and how a name finds them."""

from __future__ import annotations

import datetime
import shutil
from dataclasses import dataclass
from pathlib import Path

from ganbaru import checkpoint
from ganbaru.config import Config
from ganbaru.errors import InputError, did_you_mean

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
    def samples(self) -> Path:
        """The folder of the sample grids."""
        return self.path / "samples"

    @property
    def timelapse(self) -> Path:
        """The film of the sample grids."""
        return self.path / "timelapse.gif"

    @property
    def losses(self) -> Path:
        """The plot of the log."""
        return self.path / "losses.png"

    def checkpoint(self, images: int) -> Path:
        """Where the checkpoint at `images` lies."""
        return self.checkpoints / f"{images:010d}.safetensors"

    def sample(self, images: int) -> Path:
        """Where the sample grid at `images` lies."""
        return self.samples / f"{images:010d}.png"


def resolve(name: str | Path) -> Path:
    """Turn a path, or a bare name below runs/, into a path."""
    path = Path(name)
    return RUNS / path if len(path.parts) == 1 and not path.exists() else path


def new_path(config: Config) -> Path:
    """Choose the folder of a run that names none: preset, date and the first free number."""
    today = datetime.date.today().isoformat()
    number = 1
    while (path := RUNS / f"{config.preset or 'run'}-{today}-{number}").exists():
        number += 1
    return path


def prepare(config: Config) -> Folder:
    """Make a new run's folder; refuses one that holds a run, unless told to overwrite it."""
    folder = Folder(resolve(config.run) if config.run else new_path(config))
    if folder.path.is_file():
        raise InputError(f"--run {folder.path} is a file: name a folder that may be made.")
    if folder.path.exists() and any(folder.path.iterdir()):
        if not config.overwrite:
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
    try:
        for path in (folder.path, folder.checkpoints, folder.samples):
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot make the run's folder {folder.path}: {error.strerror}. "
            f"Choose a --run where you may write."
        ) from error
    return folder


def existing(name: str | Path) -> Folder:
    """Find a run's folder, or raise InputError with the names of those there are."""
    path = resolve(name)
    if not (path / "config.yaml").exists():
        there = sorted(p.parent.name for p in RUNS.glob("*/config.yaml"))
        known = f"Runs here: {', '.join(there)}." if there else "There are no runs below runs/ yet."
        raise InputError(f"There is no run at {path}.{did_you_mean(path.name, there)} {known}")
    return Folder(path)


def find_checkpoint(name: str | Path, which: str = "newest") -> Path:
    """Find a checkpoint: a file itself, a run's newest, or the one at a number of images."""
    if Path(name).suffix == ".safetensors":
        return Path(name)
    folder = existing(name)
    there = checkpoint.found(folder.checkpoints)
    if not there:
        raise InputError(f"The run {folder.path} has no checkpoint yet.")
    if which == "newest":
        return there[-1]
    matches = [path for path in there if which.isdigit() and int(path.stem) == int(which)]
    if not matches:
        known = ", ".join(str(int(path.stem)) for path in there)
        raise InputError(f"There is no checkpoint {which!r} in {folder.path}. At images: {known}.")
    return matches[0]
