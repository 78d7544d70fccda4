"""A training run: what it is made of and how far it has come, and its callbacks' base classes."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru import __version__
from ganbaru.config import Config
from ganbaru.data import Progress, Source
from ganbaru.data.attributes import Attribute
from ganbaru.engines import Engine
from ganbaru.errors import DivergedError, InputError
from ganbaru.formatting import LOG, Brief
from ganbaru.gan import standing
from ganbaru.gan.batches import BatchSampler
from ganbaru.gan.prefetch import Prefetcher
from ganbaru.gan.step import GAN, State, StepMetrics
from ganbaru.ops import Parameters
from ganbaru.training import checkpoint
from ganbaru.training.lock import Lock
from ganbaru.training.run_folder import Folder
from ganbaru.training.run_log import Line


@dataclass(repr=False)
class Run(Brief):
    """A run as callbacks see it."""

    SHOWN = ("folder", "step", "images", "seconds", "stopped")

    config: Config
    folder: Folder
    source: Source
    engine: Engine
    gan: GAN
    state: State
    sampler: BatchSampler | Prefetcher
    schedule: Callable[[int], float]  # factor on the learning rates, by images seen
    classes: tuple[str, ...]  # names of the labels that the networks take
    callbacks: Sequence[Callback] = ()
    step: int = 0
    images: int = 0  # real images shown to D
    seconds: float = 0.0  # of training, in all sessions
    paused_seconds: float = 0.0  # of this session, not counted in `seconds`
    stopped: str = ""  # why a callback ended the run before its totals
    strength: float = 1.0  # of the augmentation in the next steps
    notes: list[str] = field(default_factory=list)  # what the user should know about this run
    history: list[checkpoint.Change] = field(default_factory=list)  # changes of its settings
    warnings: dict[str, str] = field(default_factory=dict)  # of its result, by code
    lock: Lock | None = None  # of the folder, from `setup.build` to the end of the loop
    # The last standing statistics, and the step and the average that they are of.
    _standing: tuple[int, Parameters, Parameters] = (0, {}, {})

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """What the networks take in place of labels, () if they take labels or nothing."""
        found = None if self.config.conditioning == "none" else self.source.attributes
        return found.columns if found else ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the classes or attributes that the networks take."""
        return self.classes or tuple(each.name for each in self.attributes)

    @property
    def share(self) -> float:
        """The fraction of the run that is done, from 0 to 1: the largest of any of its totals."""
        count = len(self.source.images)
        return self.config.done(self.step, self.images, self.seconds, count)

    @property
    def finished(self) -> bool:
        """Whether the run has ended: a total is reached, or a callback stopped it."""
        return self.share >= 1 or bool(self.stopped)

    def stop(self, reason: str) -> None:
        """End the run after this step; `reason` is a sentence for the user."""
        self.stopped = reason

    def close(self) -> None:
        """Let other processes write into the folder."""
        if self.lock:
            self.lock.close()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock of the training, for evaluation for example."""
        began = time.perf_counter()
        yield
        self.paused_seconds += time.perf_counter() - began

    def save(self, path: Path | None = None) -> None:
        """Write a checkpoint of the current state to `path`, by default named by `images`."""
        state = self.averaged
        groups = {group: self.fetched(group, state) for group in state}
        states = {callback.name: callback.state() for callback in self.callbacks}
        header = checkpoint.Header(
            version=__version__,
            config=dataclasses.asdict(self.config),
            step=self.step,
            images=self.images,
            seconds=self.seconds,
            data=describe_data(self.source),
            callbacks={name: state for name, state in states.items() if state},
            history=self.history,
        )
        place = path or self.folder.checkpoint(self.images)
        checkpoint.save(place, groups, header)
        LOG.info("checkpoint: %s", place)

    @property
    def averaged(self) -> State:
        """The state as it is saved and sampled: the averaged generator has standing statistics.

        Before the first step, of what a run starts from, they are those that it came with.
        """
        key = self.step, self.state["ema"]
        if self.step and (self._standing[0] != key[0] or self._standing[1] is not key[1]):
            sampler = self.sampler
            if isinstance(sampler, Prefetcher):
                sampler = sampler.sampler
            found = standing.statistics(sampler, self.state["ema"], self.state["ema_buffers"])
            self._standing = *key, found
        return {**self.state, "ema_buffers": self._standing[2]} if self.step else self.state

    def fetched(self, group: str, state: State | None = None) -> dict[str, np.ndarray]:
        """Fetch a group of the state as NumPy arrays; raises RunError for NaN or infinity."""
        tensors = (state or self.state)[group]
        arrays = {name: self.engine.to_numpy(x) for name, x in tensors.items()}
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise self.diverged(f"{group}'s numbers")
        return arrays

    def diverged(self, what: str) -> DivergedError:
        """Build the error for NaN or infinity in `what`, which has not been saved."""
        good = checkpoint.found(self.folder.checkpoints)
        last = f"The last good checkpoint is {good[-1]}." if good else "No checkpoint was due yet."
        return DivergedError(
            f"The training diverged before {self.images:,} images: {what} became NaN or infinite. "
            f"{last} Try a lower --lr, a penalty such as --penalty r1, or another --objective."
        )


def describe_data(source: Source) -> dict[str, Any]:
    """Return the description of the data that checkpoints hold."""
    return {
        "name": source.name,
        "fingerprint": source.fingerprint,
        "classes": list(source.classes),
        "shape": list(source.images.shape[1:]),
        "attributes": source.attributes.facts() if source.attributes else [],
    }


class Callback:
    """Base class of callbacks: what a run does besides training. All methods are optional.

    `STATE` is the type of its state, to which a checkpoint's is checked (`ganbaru.records`).
    """

    STATE: Any = dict[str, Any]

    @property
    def name(self) -> str:
        """The key of its state in checkpoints; one run cannot have two callbacks of a name."""
        return type(self).__name__

    def setup(self, run: Run, progress: Progress) -> None:
        """Load what it needs; raises InputError before anything is written or deleted."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state that the checkpoint of a resumed run has, after `setup`."""

    def start(self, run: Run) -> None:
        """Called before the first step of this session."""

    def step(self, run: Run, metrics: StepMetrics) -> None:
        """Called after each step, with its losses and mean scores."""

    def line(self, run: Run, line: Line) -> None:
        """Called after a line was written to the log."""

    def grid(self, run: Run, path: Path) -> None:
        """Called after a sample grid was written to `path`; `start` finds earlier ones on disk."""

    def end(self, run: Run) -> None:
        """Called after the last step, also when the run is interrupted."""

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs, as JSON types; saved in every checkpoint."""
        return {}


class Measurement:
    """Base class of what adds numbers to lines of the log; it changes nothing in the run."""

    def setup(self, run: Run, progress: Progress) -> None:
        """Load what it needs; raises InputError before anything is written or deleted."""

    def start(self, run: Run, lines: Sequence[Line]) -> None:
        """Called before the first step, with the lines that the log has so far."""

    def values(self, run: Run, short: bool) -> Line:
        """Return the numbers for a line that is about to be written, {} if none are due.

        A `short` line ends the session; a resumed run replaces it by a full one.
        """
        return {}


class Every:
    """Detects that a count has passed a multiple of `interval`."""

    def __init__(self, interval: int, start: int = 0) -> None:
        self.interval, self.passed = interval, start // interval

    def due(self, count: int) -> bool:
        """Return whether a multiple was passed since the last call."""
        before, self.passed = self.passed, count // self.interval
        return self.passed > before


_HOOKS = ("setup", "start", "step", "line", "grid", "end")


def as_callback(given: Any) -> Callback:
    """Return a callback; an object with some of the methods, but another base class, is wrapped."""
    if isinstance(given, Callback):
        return given
    methods = {name: getattr(given, name) for name in _HOOKS if hasattr(given, name)}
    if isinstance(given, type) or not methods:
        raise InputError(
            f"{given!r} is not a callback: give an object of a class that extends "
            f"ganbaru.callbacks.Callback, or has its methods {', '.join(_HOOKS)}."
        )
    wrapped = Callback()
    vars(wrapped).update(methods)
    return wrapped
