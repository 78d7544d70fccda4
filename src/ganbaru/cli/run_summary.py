"""What the commands print of a run: its settings before training, its files afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganbaru import registry
from ganbaru.config import TOTALS, Config
from ganbaru.errors import command_line

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ganbaru.training.run import Run


def opening(run: Run) -> list[str]:
    """Return the lines that describe a run before it trains."""
    from ganbaru import nn

    config, (height, width, channels) = run.config, run.source.images.shape[1:]
    labels = f", {len(run.classes)} classes" if run.classes else ""
    labels += f", {len(run.attributes)} attributes" if run.attributes else ""
    counts = [nn.parameter_count(run.state[player]) for player in ("generator", "discriminator")]
    start = f"resumed at {run.images:,} images" if run.images else "from the start"
    return [
        f"data      {run.source.name}: {len(run.source.images):,} images "
        f"{height}x{width}x{channels}{labels}",
        *(f"          {note}" for note in run.notes),
        f"networks  {config.network}, width {config.width}: generator {counts[0]:,} and "
        f"discriminator {counts[1]:,} parameters",
        f"training  {config.objective}, penalty {config.penalty}, batch {config.batch}",
        f"engine    {run.engine.describe()}, {run.engine.precision}",
        f"run       {run.folder.path}, {start} until {length(config)}",
        "          Ctrl-C saves, ends the run and prints how to go on.",
    ]


def length(config: Config) -> str:
    """Return how long a run lasts, such as "20 epochs or 5 minutes"."""
    totals = {name: getattr(config, name) for name in TOTALS}
    return " or ".join(f"{total:,g} {name}" for name, total in totals.items() if total)


def closing(run: Run, notes: Sequence[str] = ()) -> list[str]:
    """Return the lines that say how a run ended, where its files are and how to go on.

    `notes` are those of the training itself.
    """
    speed = f"{run.images:,} images, {run.step:,} steps in {run.seconds:.0f} s"
    if run.finished:
        first = [f"Done: {speed}.", *([run.stopped] if run.stopped else [])]
    else:
        first = [f"Stopped early and saved: {speed}. Resume with:", f"  {resuming(run)}"]
    more = f"More images: {generating(run)} -n 64 -o images.png"
    return [*first, *notes, *_files(run), more, *_longer(run)]


def _longer(run: Run) -> list[str]:
    """Return the command that trains a run for as long again if one total has ended it."""
    totals = {name: getattr(run.config, name) for name in TOTALS if getattr(run.config, name)}
    if not run.finished or run.stopped or len(totals) != 1:
        return []
    ((name, total),) = totals.items()
    return [f"To train on: {resuming(run)} --{name} {2 * total:.15g}"]


def resuming(run: Run) -> str:
    """Return the command that resumes a run."""
    return f"{command_line('train', '--run', run.folder.path, '--resume')}{trusted(run.config)}"


def generating(run: Run) -> str:
    """Return the command that generates images with a run, without its options."""
    start = command_line("generate", run.folder.path)
    return f"{start}{trusted(run.config, ('network',))}"


def trusted(config: Config, fields: Collection[str] = registry.FIELDS) -> str:
    """Return the flags --trust with which a command may import the modules named in fields."""
    given = {name: getattr(config, name) for name in fields}
    if Path(config.data).exists():  # a path comes before a module of that name
        given.pop("data", None)
    modules = dict.fromkeys(each for item in given.items() for each in registry.own_modules(*item))
    return "".join(f" --trust {each}" for each in modules)


def _files(run: Run) -> list[str]:
    folder = run.folder
    files = {
        "report": folder.report,
        "sample grid": folder.sample(run.images),
        "time-lapse": folder.timelapse,
        "by class": folder.class_timelapses,
        "history": folder.history,
        "loss plot": folder.losses,
        "score plot": folder.scores,
        "log": folder.log,
        "TensorBoard": folder.tensorboard,
        "checkpoint": folder.checkpoint(run.images),
        "best": folder.best,
    }
    return [f"  {name:12}{path}" for name, path in files.items() if path.exists()]
