"""Training: the file to read first. A run, and its loop: step by step draw, play, tell."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from ganbaru import __version__, engines
from ganbaru.callbacks.periodic_evaluation import PeriodicEvaluator
from ganbaru.callbacks.validation import HeldOut
from ganbaru.config import Config
from ganbaru.data import Source
from ganbaru.engines import Engine
from ganbaru.errors import RunError
from ganbaru.gan import step
from ganbaru.gan.batches import BatchSampler, Prefetcher
from ganbaru.gan.step import GAN, Report, State
from ganbaru.sampling.generators import Generator
from ganbaru.training import checkpoint, signals
from ganbaru.training.run_folder import Folder


@dataclass
class Run:
    """A run as callbacks see it: what it is made of, and how far it has come."""

    config: Config
    folder: Folder
    source: Source
    engine: Engine
    gan: GAN
    state: State
    draw: BatchSampler | Prefetcher
    schedule: Callable[[int], float]  # the factor on the learning rates, by images
    classes: tuple[str, ...]
    step: int = 0
    images: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    held_out: HeldOut | None = None
    examiner: PeriodicEvaluator | None = None
    aside: float = 0.0  # seconds of this session that were spent on scores, not on training
    stopped: str = ""  # why the run ended before its totals, if it did so by itself
    reports: list[Report] = field(default_factory=list)  # of the steps since the log's last line

    @property
    def share(self) -> float:
        """How much of the run is done, from 0 to 1: the largest share of any of its totals."""
        count = len(self.source.images)
        return self.config.done(self.step, self.images, self.seconds, count)

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end: a total is reached, or it stopped by itself."""
        return self.share >= 1 or bool(self.stopped)

    def generator(self) -> Generator:
        """Return the generator whose weights are the running average."""
        return Generator(
            engine=self.engine,
            network=self.gan.generator,
            parameters=self.state["ema"],
            buffers=self.state["ema_buffers"],
            latent=self.config.latent,
            distribution=self.config.distribution,
            classes=self.classes,
        )

    def save(self, path: Path | None = None) -> None:
        """Write a checkpoint of this moment, where one of so many images lies or at `path`."""
        groups = {group: self.fetched(group) for group in self.state}
        header = checkpoint.Header(
            version=__version__,
            config=dataclasses.asdict(self.config),
            step=self.step,
            images=self.images,
            seconds=self.seconds,
            data=about(self.source),
            reports=[{name: float(x) for name, x in report.items()} for report in self.reports],
        )
        checkpoint.save(path or self.folder.checkpoint(self.images), groups, header)

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
    from ganbaru.callbacks import standard
    from ganbaru.training import setup  # both know runs, and so this module

    run = setup.build(config)
    engines.configure_process(run.engine)
    with signals.watched() as interrupted:
        loop(run, standard() if callbacks is None else callbacks, interrupted)
    return run.folder.path


def loop(run: Run, callbacks: Sequence[Callback], interrupted: Callable[[], bool]) -> None:
    """Train until a total is reached or `interrupted` says so."""
    # Numbers that explode are told of by the habits, in one sentence.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        _loop(run, callbacks, interrupted)


def _loop(run: Run, callbacks: Sequence[Callback], interrupted: Callable[[], bool]) -> None:
    before, began = run.seconds, time.perf_counter()
    train_step = run.engine.compile(functools.partial(step.train_step, run.gan), consumes=True)
    for callback in callbacks:
        callback.start(run)
    while not run.finished and not interrupted():
        batches = run.draw.step(run.step)
        factor = run.schedule(run.images)
        schedule = step.step_schedule(run.gan, run.step, len(batches.d), factor)
        run.state, report = train_step(run.state, batches, schedule)
        run.step += 1
        run.images += batches.images
        run.seconds = before + time.perf_counter() - began - run.aside
        for callback in callbacks:
            callback.step(run, report)
    for callback in callbacks:
        callback.end(run)


def about(source: Source) -> dict[str, object]:
    """Return what a checkpoint says of the data."""
    return {
        "name": source.name,
        "fingerprint": source.fingerprint,
        "classes": list(source.classes),
        "shape": list(source.images.shape[1:]),
    }
