"""The progress display: a live bar on a terminal, otherwise a few plain lines."""

from __future__ import annotations

import contextlib
import math
import sys
from typing import Any, TextIO

from ganbaru.formatting import Verbosity, clock, duration, say
from ganbaru.gan.step import StepMetrics
from ganbaru.training.run import Callback, Run
from ganbaru.training.run_log import Line


class Display(Callback):
    """Shows a live bar on a terminal; otherwise a plain line at each twentieth of the run.

    A plain line also appears with the first line of the log and after ten minutes without one.
    """

    PARTS, MOST_SECONDS = 20, 600
    SURE_SECONDS = 2.0  # of training, from which on its length is estimated

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.bar: Any = None
        self.estimated = False

    def start(self, run: Run) -> None:
        """Show the bar, if the stream is a terminal."""
        self.first = self.now = (run.share, run.seconds)
        self.steps = 0
        self.shown: tuple[int, float] = (-1, -math.inf)
        if self.stream.isatty() and not Verbosity.quiet:
            self.bar = _bar(self.stream)
            self.task = self.bar.add_task("", total=1.0, images="starting", left="", numbers="")
            self.bar.start()

    def step(self, run: Run, metrics: StepMetrics) -> None:
        self.now = (run.share, run.seconds)
        self._estimate(run)
        if self.bar:
            texts = {"images": f"{run.images:,} images", "left": f"{clock(self._left())} left"}
            self.bar.update(self.task, completed=run.share, **texts)

    def end(self, run: Run) -> None:
        self.close()
        if not run.finished:
            self._say("Stopping and saving; press Ctrl-C again to end at once.")

    def note(self, text: str) -> None:
        """Show a sentence above the bar, or as a line."""
        if self.bar:
            self.bar.console.print(text, markup=False, highlight=False)
        else:
            self._say(text)

    def close(self) -> None:
        """Restore the terminal; call it also after an error."""
        if self.bar:
            self.bar.stop()
            self.bar = None

    def line(self, run: Run, line: Line) -> None:
        numbers = (
            f"{line['images_per_second']:.0f}/s  D {line['d_loss']:.3f}  G {line['g_loss']:.3f}  "
            f"real {line['real_score']:+.2f}  fake {line['fake_score']:+.2f}"
        )
        numbers += f"  Fréchet {line['frechet']:.3g}" if "frechet" in line else ""
        part, seconds = int(self.PARTS * self.now[0]), line["seconds"]
        if self.bar:
            self.bar.update(self.task, numbers=numbers)
        elif part > self.shown[0] or seconds - self.shown[1] >= self.MOST_SECONDS:
            self.shown = (part, seconds)
            done = f"{line['images']:,} images  {clock(seconds)}  {clock(self._left())} left"
            self._say(f"{done}  {numbers}")

    def _say(self, text: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # training goes on without a reader
            if not Verbosity.quiet:
                say(text, file=self.stream)

    def _estimate(self, run: Run) -> None:
        """Say once how long the run will take, without the first steps, which may compile."""
        self.steps += 1
        if self.steps == 3:
            self.first = self.now
        elapsed = run.seconds - self.first[1]
        if self.steps > 3 and not self.estimated and elapsed >= self.SURE_SECONDS:
            self.estimated = True
            self.note(f"time      about {duration(self._left())} left on this machine")

    def _left(self) -> float:
        """Estimate the remaining seconds by the speed of this session."""
        share, seconds = self.now
        each = (seconds - self.first[1]) / max(1e-9, share - self.first[0])
        return each * (1 - min(1.0, share))


def _bar(stream: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.table import Column

    texts = ("{task.fields[images]}", "{task.fields[left]}", "{task.fields[numbers]}")
    columns = [TextColumn(text, table_column=Column(no_wrap=True)) for text in texts]
    return Progress(
        BarColumn(bar_width=10),
        TaskProgressColumn(),
        *columns,
        console=Console(file=stream),
        transient=True,
    )
