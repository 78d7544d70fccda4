"""A trial: some seconds of a run as it would train, in a temporary folder that is then deleted."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganbaru import callbacks, engines
from ganbaru.config import TOTALS, Config
from ganbaru.data import Progress
from ganbaru.gan.step import StepMetrics
from ganbaru.planning import memory
from ganbaru.training import setup
from ganbaru.training.loop import loop
from ganbaru.training.run import Callback, Run

FIRST = 5  # steps that are left out where there are more: they compile, record and fill caches
LEAST = 3  # steps of a trial, however long they take
ENDLESS = 10**12
WITHOUT = {
    **dict.fromkeys(("resume", "overwrite", "tensorboard"), False),
    **dict.fromkeys(("evaluate_every", "patience"), 0),
    "on_trouble": "report",
}
Clock = Callable[[], float]


@dataclass(frozen=True)
class Pace:
    """How fast a run goes: seconds of its first step, of the others, and of a sample grid."""

    first: float
    step: float
    grid: float  # what is drawn, measured and logged every `sample_every` images
    batch: int  # images of a step
    every: int

    def seconds(self, images: float) -> float:
        """Return how long `images` take."""
        steps = images / self.batch
        return (
            max(0.0, self.first - self.step) + steps * self.step + images / self.every * self.grid
        )

    def images(self, seconds: float) -> int:
        """Return how many images fit into `seconds`, in whole steps."""
        begun = max(0.0, self.first - self.step)
        each = self.step / self.batch + self.grid / self.every
        return max(0, int((seconds - begun) / each / self.batch)) * self.batch

    @property
    def images_per_second(self) -> float:
        """Images a second of steps and sample grids, once the run has begun."""
        return 1 / (self.step / self.batch + self.grid / self.every)


class Timer(Callback):
    """Notes the time of each step, ends the trial, and lets its last step draw a sample grid.

    It is the first callback, so that a time between two notes is a step's with the callbacks of
    the one before.
    """

    def __init__(self, seconds: float, clock: Clock = time.perf_counter) -> None:
        self.seconds, self.clock = seconds, clock
        self.times: list[float] = []
        self.batch, self.last, self.drawn = 0, 0.0, 0.0

    def start(self, run: Run) -> None:
        """Begin."""
        self.run, self.times = run, [self.clock()]

    def step(self, run: Run, metrics: StepMetrics) -> None:
        """Note the time when the device has finished the step."""
        run.engine.to_numpy(metrics["g_loss"])
        self.batch = self.batch or run.images
        if not self.last:
            self.times.append(self.clock())

    def __call__(self) -> bool:
        """Return whether the trial is over; before its last step, put it where a grid is due."""
        if self.last:
            self.drawn = self.clock() - self.last
            return True
        if len(self.times) > LEAST and self.clock() - self.times[1] > self.seconds:
            every = self.run.config.sample_every
            self.run.images = max(0, (self.run.images // every + 1) * every - self.batch)
            self.last = self.clock()
        return False

    def pace(self) -> Pace:
        """Return the median of the steps after the first ones, and what the grid took beside."""
        steps = [after - before for before, after in itertools.pairwise(self.times)]
        usual = statistics.median(steps[FIRST:] or steps[1:])
        grid, every = max(0.0, self.drawn - usual), self.run.config.sample_every
        return Pace(steps[0], usual, grid, self.batch, every)


@dataclass(frozen=True)
class Trial:
    """What a trial measured: pace, memory in bytes (None: unknown), and the sizes of its files."""

    run: Run
    pace: Pace
    memory: int | None  # the peak of this process
    device_memory: int | None  # the peak on the device, if it has memory of its own
    checkpoint: int
    grid: int  # of one grid's files
    line: int  # of a line of the log
    rest: int
    compiled: bool  # whether it compiled programs that a run after it finds stored


def measure(
    config: Config, seconds: float, progress: Progress, clock: Clock = time.perf_counter
) -> Trial:
    """Train for some seconds as `config` says, and measure; nothing is left on the disk.

    Scores (`evaluate_every`) are left out. Where the engine compiled programs and stored them, all
    is measured again, as a run after a plan finds them; the memory includes the compilation. Raises
    what `setup.build` and the loop do.
    """
    changed: dict[str, Any] = {**dict.fromkeys(TOTALS), **WITHOUT, "images": ENDLESS}
    with tempfile.TemporaryDirectory(prefix="ganbaru-plan-") as folder:
        first, second = (
            dataclasses.replace(config, **changed, run=str(Path(folder) / name))
            for name in ("first", "second")
        )
        found = _tried(first, Timer(seconds, clock), progress)
        if not found.compiled:
            return found
        again = _tried(second, Timer(seconds, clock), progress)
        return dataclasses.replace(again, compiled=True)


def _tried(config: Config, timer: Timer, progress: Progress) -> Trial:
    run = setup.build(config, [timer, *callbacks.standard()], progress)
    engines.configure_process(run.engine)
    before = run.engine.stored_programs()
    loop(run, timer)
    return _measured(run, timer.pace(), run.engine.stored_programs() > before)


def _measured(run: Run, pace: Pace, compiled: bool) -> Trial:
    folder = run.folder
    grids = [*folder.samples.glob("*.png")]
    films = [folder.timelapse, *folder.class_timelapses.glob("*.gif")]
    checkpoints = [*folder.checkpoints.glob("*.safetensors")]
    lines = folder.log.read_bytes().split(b"\n")
    apart = _bytes([*grids, *films, *checkpoints, folder.log])
    return Trial(
        run,
        pace,
        memory.peak(),
        run.engine.peak_memory(),
        _bytes(checkpoints[:1]),
        _bytes(grids + films) // max(1, len(grids)),
        max(map(len, lines)),
        _bytes([path for path in folder.path.rglob("*") if path.is_file()]) - apart,
        compiled,
    )


def _bytes(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.exists())
