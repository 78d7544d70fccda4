"""Run folders: the paths of a run's files, and finding runs and checkpoints by name."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ganbaru import data, files
from ganbaru.config import Config, flag, load_yaml
from ganbaru.errors import InputError, RunError, did_you_mean
from ganbaru.presets import PRESETS
from ganbaru.training import checkpoint, zoo
from ganbaru.training.lock import LOCK, Lock, check_in_use

RUNS = Path("runs")
BEST = "best.safetensors"
AUTO = "auto"  # the checkpoint that is used where none is named
MADE = ("checkpoints", "samples")  # folders that a new run has
# An old run's files, and its successor's config.yaml, while it is overwritten.
OLD, NEW = ".ganbaru-old", ".ganbaru-new.yaml"


class TakenError(InputError):
    """Raised for a new run's folder that is not empty."""


class Folder:
    """The paths of one run's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.log = path / "log.jsonl"  # one JSON object a line
        self.checkpoints = path / "checkpoints"
        self.best = self.checkpoints / BEST  # with the best score
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
        self.credits = path / "credits.json"  # title, author and licence, if given

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


def name_of(checkpoint: Path) -> str:
    """Return the name of a checkpoint's run, or of the file where it is in no run's folder."""
    folder = Folder(checkpoint.resolve().parent.parent)
    return folder.path.name if folder.config.exists() else checkpoint.stem


def candidates(config: Config) -> Iterator[Folder]:
    """Yield a new run's folder: `config.run`, or those with a name, date and a free number.

    The name is the preset's, or that of the data for a preset without data of its own.
    """
    named = iter([resolve(config.run)]) if config.run else unused(_name(config))
    return map(Folder, named)


def _name(config: Config) -> str:
    preset = PRESETS.get(config.preset)
    if preset and not preset.options["data"]:
        name = data.title(config.data)
        return name.encode()[:100].decode(errors="ignore") or config.preset
    return config.preset or "run"


def unused(name: str) -> Iterator[Path]:
    """Yield paths below runs/ of the name, the date and each free number."""
    today = datetime.date.today().isoformat()
    return filter(_is_vacant, (RUNS / f"{name}-{today}-{number}" for number in itertools.count(1)))


def check_available(config: Config) -> None:
    """Raise what training with `config` would because of its folder; writes nothing.

    A folder in use, one that is no run to resume, or not empty and no run that it may replace, and
    training data in a run that it would delete.
    """
    if not config.run:
        return
    folder = existing(config.run) if config.resume else next(candidates(config))
    check_in_use(folder.path)
    if not config.resume and not _is_vacant(folder.path):
        _check_replaceable(folder, config.overwrite)
    check_data_outside(config, folder)


def check_data_outside(config: Config, folder: Folder) -> None:
    """Raise InputError if overwriting the run would delete its training data."""
    for name in ("data", "data_dir"):
        place = Path(str(getattr(config, name))).resolve()
        if config.overwrite and place.exists() and place.is_relative_to(folder.path.resolve()):
            raise InputError(
                f"{flag(name)} {place} is in the folder of the run, which --overwrite would "
                f"delete: move it out of {folder.path}, or choose another --run."
            )


def create(folder: Folder, config: str, overwrite: bool) -> Lock:
    """Make a new run's folder with its `config` and lock it; an old run in it goes last of all.

    Raises InputError if it is in use, or is not empty and no run that `overwrite` may replace.
    """
    with files.writing(folder.path, "choose a --run where you may write"):
        folder.path.mkdir(parents=True, exist_ok=True)
    lock = opened(folder)
    try:
        if not _is_vacant(folder.path):
            _check_replaceable(folder, overwrite)
        with files.writing(folder.path):
            _replace(folder, config)
    except BaseException:
        lock.close()
        raise
    return lock


def opened(folder: Folder) -> Lock:
    """Lock a folder, and undo what a killed process has begun in it."""
    lock = Lock(folder.path)
    try:
        with files.writing(folder.path):
            _recover(folder)
    except BaseException:
        lock.close()
        raise
    return lock


def make_folders(folder: Folder) -> None:
    """Make the folders within a run's folder that it lacks."""
    for name in MADE:
        (folder.path / name).mkdir(exist_ok=True)


def _is_vacant(path: Path) -> bool:
    """Return whether a folder is absent, or has only what a run killed at its start leaves."""
    try:
        return not any(
            any(entry.iterdir()) if entry.name in MADE and entry.is_dir() else not _is_left(entry)
            for entry in path.iterdir()
        )
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _is_left(entry: Path) -> bool:
    return entry.name in (LOCK, OLD) or bool(files.TEMPORARY.fullmatch(entry.name))


def _check_replaceable(folder: Folder, overwrite: bool) -> None:
    if not overwrite:
        raise TakenError(
            f"The folder {folder.path} is not empty. Go on from its newest checkpoint with "
            f"--resume, replace it with --overwrite, or choose another --run."
        )
    try:
        # A configuration to start runs with may be in a folder of other things.
        made = folder.checkpoints.is_dir() or folder.log.exists()
        is_run = made and bool(load_yaml(folder.config).get("run"))
    except InputError:
        is_run = False
    if not is_run:
        raise InputError(
            f"The folder {folder.path} holds no run (no config.yaml of one), so --overwrite does "
            f"not delete it. Choose another --run."
        )


def _replace(folder: Folder, config: str) -> None:
    """Put the old run's files aside, then the new config.yaml in the old one's place.

    Until that last renaming the new one is among the files aside, by which `_recover` knows that
    it has to put them back.
    """
    aside = folder.path / OLD
    aside.mkdir()
    try:
        files.write_text(aside / NEW, config)
        for entry in sorted(folder.path.iterdir()):
            if entry != folder.config and not _is_left(entry):
                os.rename(entry, aside / entry.name)
        make_folders(folder)
        with files.writing(folder.config):
            os.replace(aside / NEW, folder.config)
    except BaseException:
        _recover(folder)
        raise
    shutil.rmtree(aside)


def _recover(folder: Folder) -> None:
    """Finish or undo a `_replace` that was killed."""
    aside = folder.path / OLD
    if not aside.is_dir() or aside.is_symlink():
        return
    if (aside / NEW).exists():
        for entry in sorted(aside.iterdir()):
            if entry.name != NEW and not _is_left(entry):
                with contextlib.suppress(OSError):
                    (folder.path / entry.name).rmdir()  # the new run's
                os.rename(entry, folder.path / entry.name)
    shutil.rmtree(aside)


def existing(name: str | Path) -> Folder:
    """Find a run's folder; raises InputError with the names of the runs below runs/."""
    path = resolve(name)
    for place in (path, Path(name)):
        if (place / OLD).exists():  # unless it is being overwritten just now, or is read-only
            with contextlib.suppress(InputError, RunError):
                opened(Folder(place)).close()
        if (place / "config.yaml").exists():
            return Folder(place)
    names = sorted(found.parent.name for found in RUNS.glob("*/config.yaml"))
    known = f"Runs here: {', '.join(names)}." if names else "There are no runs below runs/ yet."
    raise InputError(f"There is no run at {path}.{did_you_mean(path.name, names)} {known}")


def single_file(name: str | Path) -> Path | None:
    """Return the file of a model that is one file, such as zoo:digits; None for a run."""
    if str(name).startswith(zoo.PREFIX):
        return zoo.find(str(name))
    return Path(name) if Path(name).suffix == ".safetensors" else None


def find_checkpoint(name: str | Path, which: str = "newest") -> Path:
    """Find a checkpoint: a file, or a run's "newest", "best" or the one at a number of images.

    "auto" is the best if there is one, else the newest.
    """
    if file := single_file(name):
        return file
    folder = existing(name)
    present = checkpoint.found(folder.checkpoints)
    if which in ("best", AUTO) and folder.best.exists():
        return folder.best
    if not present:
        raise InputError(
            f"The run {folder.path} has no checkpoint yet: start it again with --resume."
        )
    if which in ("newest", AUTO):
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
    if which != "all" or single_file(name):
        return [find_checkpoint(name, which)]
    return checkpoint.found(find_checkpoint(name).parent)
