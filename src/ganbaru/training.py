"""Training: the file to read first. Build, resume, then step by step draw, update, tell."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from ganbaru import (
    __version__,
    checkpoint,
    data,
    engines,
    files,
    interrupt,
    model,
    rules,
    runs,
    step,
)
from ganbaru.config import TOTALS, Config, flag, to_yaml
from ganbaru.data import Source
from ganbaru.draw import Draw
from ganbaru.engines import Engine
from ganbaru.errors import InputError, RunError
from ganbaru.randomness import distribution
from ganbaru.runs import Folder
from ganbaru.sample import Generator
from ganbaru.step import Game, Report, State


@dataclass
class Run:
    """A run as callbacks see it: what it is made of, and how far it has come."""

    config: Config
    folder: Folder
    source: Source
    engine: Engine
    game: Game
    state: State
    draw: Draw
    schedule: Callable[[int], float]  # the factor on the learning rates, by images
    classes: tuple[str, ...]
    step: int = 0
    images: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    reports: list[Report] = field(default_factory=list)  # of the steps since the log's last line

    @property
    def share(self) -> float:
        """How much of the run is done, from 0 to 1: the largest share of any of its totals."""
        config = self.config
        shares = [
            self.step / config.steps if config.steps else 0.0,
            self.images / config.images if config.images else 0.0,
            self.images / (config.epochs * len(self.source.images)) if config.epochs else 0.0,
            self.seconds / (60 * config.minutes) if config.minutes else 0.0,
        ]
        return max(shares)

    def generator(self) -> Generator:
        """Return the generator whose weights are the running average."""
        return Generator(
            engine=self.engine,
            network=self.game.generator,
            parameters=self.state["ema"],
            buffers=self.state["ema_buffers"],
            latent=self.config.latent,
            distribution=self.config.distribution,
            classes=self.classes,
        )

    def save(self) -> None:
        """Write a checkpoint of this moment."""
        groups = {group: self.fetched(group) for group in self.state}
        header = checkpoint.Header(
            version=__version__,
            config=dataclasses.asdict(self.config),
            step=self.step,
            images=self.images,
            seconds=self.seconds,
            data=_about(self.source),
            reports=[{name: float(x) for name, x in report.items()} for report in self.reports],
        )
        checkpoint.save(self.folder.checkpoint(self.images), groups, header)

    def fetched(self, group: str) -> dict[str, np.ndarray]:
        """Fetch a group of the state in NumPy; raises RunError if it holds NaN or infinity."""
        arrays = {name: self.engine.to_numpy(x) for name, x in self.state[group].items()}
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise self.diverged(f"{group}'s numbers")
        return arrays

    def diverged(self, what: str) -> RunError:
        """Build the error for NaN or infinity in `what`: nothing of it has been saved."""
        kept = checkpoint.found(self.folder.checkpoints)
        last = f"The last good checkpoint is {kept[-1]}." if kept else "No checkpoint was due yet."
        return RunError(
            f"The training diverged before {self.images:,} images: {what} became NaN or infinite. "
            f"{last} Try a lower --lr, a penalty such as --penalty r1, or another --objective."
        )


class Callback(Protocol):
    """A habit during training; `step` hears of every step, with its losses and mean scores."""

    def start(self, run: Run) -> None:
        """Begin, before the first step."""

    def step(self, run: Run, report: Report) -> None:
        """Hear of one step."""

    def end(self, run: Run) -> None:
        """Finish, after the last step or when the run is interrupted."""


def train(config: Config, callbacks: Sequence[Callback] | None = None) -> Path:
    """Train as configured and return the run's folder; Ctrl-C or SIGTERM saves and ends early.

    `callbacks` replaces the log, sample grids, checkpoints and plot that a run has by default.
    Raises InputError for a wrong configuration and RunError when the training diverges.
    """
    from ganbaru.callbacks import standard  # which knows runs, and so this module

    run = build(config)
    with interrupt.watched() as interrupted:
        loop(run, standard() if callbacks is None else callbacks, interrupted)
    return run.folder.path


def loop(run: Run, callbacks: Sequence[Callback], interrupted: Callable[[], bool]) -> None:
    """Train until a total is reached or `interrupted` says so."""
    # Numbers that explode are told of by the habits, in one sentence.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        _loop(run, callbacks, interrupted)


def _loop(run: Run, callbacks: Sequence[Callback], interrupted: Callable[[], bool]) -> None:
    before, began = run.seconds, time.perf_counter()
    for callback in callbacks:
        callback.start(run)
    while run.share < 1 and not interrupted():
        batches = run.draw.step(run.step)
        rate = run.schedule(run.images)
        run.state, report = step.play(run.game, run.state, batches, run.step, rate)
        run.step += 1
        run.images += batches.images
        run.seconds = before + time.perf_counter() - began
        for callback in callbacks:
            callback.step(run, report)
    for callback in callbacks:
        callback.end(run)


def build(config: Config, progress: data.Progress | None = None) -> Run:
    """Build a new run, or the one to go on with, from its configuration."""
    _check_total(config)
    engine = engines.load(config.engine, config.device, config.precision)
    source = load_data(config, progress)
    _check_batch(config, source)
    classes = label_names(config, source)
    shape = source.images.shape[1:]
    game = rules.game(config, shape, len(classes))
    first = model.first_parameters(config, shape, len(classes))
    draw = Draw(
        source, engine, seed=config.seed, batch=config.batch, latent=config.latent,
        classes=len(classes), relativistic=game.relativistic, d_steps=config.d_steps,
        replacement=config.replacement, short=config.short_batch,
        same=rules.SHARES[config.share].latents, latents=distribution(config.distribution),
    )  # fmt: skip
    folder = runs.existing(config.run or "") if config.resume else runs.planned(config)
    spec = rules.ending(config.schedule, _planned_images(config, source))
    kept = dataclasses.replace(
        config, run=str(folder.path), schedule=spec, resume=False, overwrite=False
    )
    notes = _notes(config, source)
    run = Run(
        kept, folder, source, engine, game, {}, draw, rules.schedule(spec), classes, notes=notes
    )
    if config.resume:
        _go_on(run, first)
    else:
        run.state = step.start(game, _to_engine(engine, first))
        runs.prepare(folder, config.overwrite)
    with files.replacing(folder.config) as temporary:
        temporary.write_text(to_yaml(kept), encoding="utf-8")
    return run


def _go_on(run: Run, first: checkpoint.Groups) -> None:
    """Bring a run to where its newest checkpoint is."""
    path = runs.find_checkpoint(run.folder.path)
    groups, header = checkpoint.load(path)
    checkpoint.check_fits(path, groups, step.start(run.game, first))
    now = _about(run.source)
    if {**header.data, "name": run.source.name} != now:
        raise InputError(
            f"The data has changed since {path} was written: it was {_say(header.data)}, now it is "
            f"{_say(now)}. Put the old data back, or start another --run."
        )
    run.state, run.reports = _to_engine(run.engine, groups), list(header.reports)
    run.step, run.images, run.seconds = header.step, header.images, header.seconds
    if run.share >= 1:
        raise InputError(
            f"The run {run.folder.path} is complete: {run.images:,} images, {run.step:,} steps, "
            f"{run.seconds / 60:.1f} minutes. To go on, resume it with a larger total, for example "
            f"{_larger(run)}."
        )


def _larger(run: Run) -> str:
    """Say which flag with which number would let a finished run go on for as long again."""
    reached = {
        "steps": run.step,
        "images": run.images,
        "epochs": run.images / len(run.source.images),
        "minutes": run.seconds / 60,
    }
    asked = [name for name in TOTALS if getattr(run.config, name)]
    return " ".join(f"{flag(name)} {math.ceil(2 * reached[name])}" for name in asked)


def _planned_images(config: Config, source: Source) -> float | None:
    """Return after how many images the run's totals end it, or None if only the clock does."""
    totals = {
        "images": 1,
        "steps": config.batch * config.d_steps,
        "epochs": len(source.images),
    }
    asked = [getattr(config, name) * each for name, each in totals.items() if getattr(config, name)]
    return min(asked, default=None)


def _to_engine(engine: Engine, groups: checkpoint.Groups) -> State:
    return {
        group: {name: engine.from_numpy(array) for name, array in arrays.items()}
        for group, arrays in groups.items()
    }


def _about(source: Source) -> dict[str, object]:
    return {
        "name": source.name,
        "fingerprint": source.fingerprint,
        "classes": list(source.classes),
        "shape": list(source.images.shape[1:]),
    }


def _say(about: dict[str, object]) -> str:
    return f"{about['name']} {about['shape']} ({str(about['fingerprint'])[:12]})"


def _check_total(config: Config) -> None:
    if not config.data:
        raise InputError(
            f"The preset {config.preset!r} trains on your own pictures: say where they are with "
            f"--data, a folder, zip or npz file (or a known set, see: ganbaru data)."
        )
    if not (config.steps or config.images or config.epochs or config.minutes):
        raise InputError("Say how long to train: --steps, --images, --epochs or --minutes.")
    if config.resume and not config.run:
        raise InputError("--resume needs --run, the folder of the run to go on with.")


def load_data(config: Config, progress: data.Progress | None = None) -> Source:
    """Load the images that a configuration names."""
    return data.load(
        config.data, image_size=config.size, channels=config.channels,
        data_dir=Path(config.data_dir) if config.data_dir else None, progress=progress,
    )  # fmt: skip


def _check_batch(config: Config, source: Source) -> None:
    count = len(source.images)
    if count < config.batch and not config.replacement:
        raise InputError(
            f"A batch of {config.batch} is larger than the data ({count} images). "
            f"Take --batch {max(2, count)} or less, or draw with --replacement."
        )
    if config.short_batch and not config.replacement and count % config.batch == 1:
        raise InputError(
            f"--short-batch would leave one image by itself in each pass ({count} images in "
            f"batches of {config.batch}), and batch norm needs two. Take another --batch, or leave "
            f"--short-batch out."
        )


def label_names(config: Config, source: Source) -> tuple[str, ...]:
    """Return the names of the labels that the networks take; raises InputError for lack of any."""
    if config.conditioning == "none":
        return ()
    if source.labels is None:
        raise InputError(
            f"--conditioning {config.conditioning} needs labels, and {source.name} has none. Put "
            f"each class in a sub-folder of its own, or take --conditioning none."
        )
    return model.class_names(config, source.classes)


def _notes(config: Config, source: Source) -> tuple[str, ...]:
    """Say what the user should know about the data in this run."""
    keeps = config.replacement or config.short_batch
    left = 0 if keeps else len(source.images) % config.batch
    dropped = f"The last {left} images of each pass make no full batch and are left out of it."
    return (*source.notes, dropped) if left else source.notes
