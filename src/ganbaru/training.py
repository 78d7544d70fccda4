"""Training: the file to read first. Build, resume, then step by step draw, update, tell."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ganbaru import __version__, checkpoint, data, engines, interrupt, model, runs, step
from ganbaru.config import Config, flag, to_yaml
from ganbaru.data import Source
from ganbaru.draw import Draw
from ganbaru.engines import Engine
from ganbaru.errors import InputError, RunError
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
    classes: tuple[str, ...]
    step: int = 0
    images: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

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
            classes=self.classes,
        )

    def save(self) -> None:
        """Write a checkpoint of this moment."""
        groups = {
            group: {name: self.engine.to_numpy(tensor) for name, tensor in tensors.items()}
            for group, tensors in self.state.items()
        }
        for group, arrays in groups.items():
            if not all(np.isfinite(array).all() for array in arrays.values()):
                raise RunError(
                    f"{group} holds NaN or infinity at {self.images:,} images: not saved."
                )
        header = checkpoint.Header(
            version=__version__,
            config=dataclasses.asdict(self.config),
            step=self.step,
            images=self.images,
            seconds=self.seconds,
            data=_about(self.source),
        )
        checkpoint.save(self.folder.checkpoint(self.images), groups, header)


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
    turns, before, began = run.config.d_steps, run.seconds, time.perf_counter()
    for callback in callbacks:
        callback.start(run)
    while run.share < 1 and not interrupted():
        report: Report = {}
        for turn in range(turns):
            batch = run.draw.discriminator(run.step * turns + turn)
            run.state, of_d = step.discriminator_update(
                run.game, run.state, batch, run.step * turns + turn + 1
            )
            report |= of_d
        batch = run.draw.generator(run.step)
        run.state, of_g = step.generator_update(run.game, run.state, batch, run.step + 1)
        run.step += 1
        run.images += turns * run.config.batch
        run.seconds = before + time.perf_counter() - began
        for callback in callbacks:
            callback.step(run, report | of_g)
    for callback in callbacks:
        callback.end(run)


def build(config: Config, progress: data.Progress | None = None) -> Run:
    """Build a new run, or the one to go on with, from its configuration."""
    _check_total(config)
    engine = engines.load(config.engine, config.device, config.precision)
    source = data.load(
        config.data, image_size=config.size, channels=config.channels,
        data_dir=Path(config.data_dir) if config.data_dir else None, progress=progress,
    )  # fmt: skip
    classes = _check_source(config, source)
    shape = source.images.shape[1:]
    game = model.game(config, shape, len(classes))
    first = model.first_parameters(config, shape, len(classes))
    draw = Draw(
        source, engine, seed=config.seed, batch=config.batch, latent=config.latent,
        classes=len(classes), relativistic=game.relativistic, replacement=config.replacement,
    )  # fmt: skip
    if config.resume:
        return _resumed(config, source, engine, game, draw, classes, first)
    state = step.start(game, _to_engine(engine, first))
    folder = runs.prepare(config)
    config = dataclasses.replace(config, run=str(folder.path))
    folder.config.write_text(to_yaml(config), encoding="utf-8")
    notes = _notes(config, source)
    return Run(config, folder, source, engine, game, state, draw, classes, notes=notes)


def _resumed(
    config: Config,
    source: Source,
    engine: Engine,
    game: Game,
    draw: Draw,
    classes: tuple[str, ...],
    first: checkpoint.Groups,
) -> Run:
    """Load the run's newest checkpoint and go on from it."""
    folder = runs.existing(config.run or "")
    path = runs.find_checkpoint(folder.path)
    groups, header = checkpoint.load(path)
    for player, expected in first.items():
        checkpoint.check_fits(path, groups.get(player, {}), expected)
    if header.data != _about(source):
        raise InputError(
            f"The data has changed since {path} was written: it was {_say(header.data)}, now it is "
            f"{_say(_about(source))}. Put the old data back, or start another --run."
        )
    state = _to_engine(engine, groups)
    run = Run(
        config,
        folder,
        source,
        engine,
        game,
        state,
        draw,
        classes,
        header.step,
        header.images,
        header.seconds,
        _notes(config, source),
    )
    if run.share >= 1:
        raise InputError(
            f"The run {folder.path} is complete: {run.images:,} images, {run.step:,} steps, "
            f"{run.seconds / 60:.1f} minutes. To go on, resume it with a larger total, for example "
            f"{_larger(config)}."
        )
    folder.config.write_text(to_yaml(config), encoding="utf-8")
    return run


def _larger(config: Config) -> str:
    """Say which flags, doubled, would let a finished run go on."""
    totals = {name: getattr(config, name) for name in ("steps", "images", "epochs", "minutes")}
    return " ".join(f"{flag(name)} {2 * total:g}" for name, total in totals.items() if total)


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


def _check_source(config: Config, source: Source) -> tuple[str, ...]:
    """Raise InputError unless the source can feed the run; return the names of labels it uses."""
    count = len(source.images)
    if count < config.batch and not config.replacement:
        raise InputError(
            f"A batch of {config.batch} is larger than the data ({count} images). "
            f"Take --batch {max(2, count)} or less, or draw with --replacement."
        )
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
    left = 0 if config.replacement else len(source.images) % config.batch
    dropped = f"The last {left} images of each pass make no full batch and are left out of it."
    return (*source.notes, dropped) if left else source.notes
