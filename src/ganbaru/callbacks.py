"""Habits during training: log, progress display, sample grids, checkpoints, plot and time-lapse."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from ganbaru import checkpoint, files, media
from ganbaru.step import Report
from ganbaru.training import Callback, Run

Line = dict[str, float]


class Every:
    """Tells when a count passes a multiple of `interval`."""

    def __init__(self, interval: int, start: int = 0) -> None:
        self.interval, self.passed = interval, start // interval

    def due(self, count: int) -> bool:
        """Say whether a multiple was passed since the last call."""
        before, self.passed = self.passed, count // self.interval
        return self.passed > before


class Log:
    """Writes a line to log.jsonl every so many images, each number the mean since the last line.

    What is not in a line yet is in the run's `reports` and so in its checkpoints: a run that goes
    on writes the lines that an uninterrupted one would have written.
    """

    def __init__(self, listeners: Sequence[Callable[[Line], None]] = ()) -> None:
        self.listeners = listeners

    def start(self, run: Run) -> None:
        """Open the log as it was at the checkpoint; later lines and a short last one go."""
        self.every = Every(run.config.log_every, run.images)
        self.last = (run.images, run.seconds)
        whole = run.images - (1 if run.reports else 0)
        kept = [json.dumps(line) + "\n" for line in read_log(run) if line["images"] <= whole]
        with files.replacing(run.folder.log) as temporary:
            temporary.write_text("".join(kept))

    def step(self, run: Run, report: Report) -> None:
        """Collect a step's numbers; write a line when one is due."""
        run.reports.append(report)
        if self.every.due(run.images):
            self._write(run)
            run.reports.clear()

    def end(self, run: Run) -> None:
        """Write what has gathered since the last line."""
        if run.reports:
            self._write(run)

    def _write(self, run: Run) -> None:
        means = {
            name: math.fsum(float(report[name]) for report in run.reports) / len(run.reports)
            for name in run.reports[0]
        }
        if broken := [name for name, value in means.items() if not math.isfinite(value)]:
            raise run.diverged(", ".join(broken))
        images, seconds = self.last
        speed = (run.images - images) / max(1e-9, run.seconds - seconds)
        line = {"images": run.images, "step": run.step, "seconds": round(run.seconds, 3),
                "images_per_second": round(speed, 1), **means}  # fmt: skip
        with files.writing(run.folder.log), run.folder.log.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self.last = (run.images, run.seconds)
        for listener in self.listeners:
            listener(line)


def read_log(run: Run) -> list[Line]:
    """Read a run's log; a last line cut short by a crash is left out."""
    lines: list[Line] = []
    if run.folder.log.exists():
        for text in run.folder.log.read_text().splitlines():
            try:
                lines.append(json.loads(text))
            except ValueError:
                break
    return lines


class Samples:
    """Draws the same seeds every so many images; at the end makes a film of the grids."""

    def start(self, run: Run) -> None:
        """Draw the untrained generator, or drop what was drawn after the checkpoint."""
        for path in _grids(run):
            if int(path.stem) > run.images:
                path.unlink()
        # From the step before, so that a grid is drawn that is due at this very moment, such as
        # the first of all, or one for which a killed run had no time.
        before = run.images - run.draw.images(run.step - 1) if run.step else -1
        self.every = Every(run.config.sample_every, before)
        self.step(run, {})

    def step(self, run: Run, report: Report) -> None:
        """Draw when a grid is due."""
        if self.every.due(run.images):
            self._draw(run)

    def end(self, run: Run) -> None:
        """Draw the last grid and write the time-lapse."""
        self._draw(run)
        media.save_gif(run.folder.timelapse, media.evenly(_grids(run), most=120))

    def _draw(self, run: Run) -> None:
        path = run.folder.sample(run.images)
        if path.exists():
            return
        run.fetched("ema"), run.fetched("ema_buffers")  # a diverged generator is not drawn
        columns = media.columns(len(run.classes))
        images = run.generator().sample(8 * columns)
        media.save_png(path, media.enlarge(media.grid(images, columns)))


def _grids(run: Run) -> list[Path]:
    return sorted(run.folder.samples.glob("[0-9]*.png"))


class Checkpoints:
    """Saves every so many images and at the end, and keeps the newest few."""

    def start(self, run: Run) -> None:
        """Begin counting; a file that a killed run left half-written goes."""
        self.every = Every(run.config.checkpoint_every, run.images)
        for path in run.folder.checkpoints.glob(".*.tmp"):
            path.unlink()

    def step(self, run: Run, report: Report) -> None:
        """Save when a checkpoint is due."""
        if self.every.due(run.images):
            self._save(run)

    def end(self, run: Run) -> None:
        """Save the last state."""
        self._save(run)

    def _save(self, run: Run) -> None:
        run.save()
        for path in checkpoint.found(run.folder.checkpoints)[: -run.config.keep]:
            path.unlink()


class LossPlot:
    """Plots the log at the end."""

    def start(self, run: Run) -> None:
        """Nothing to begin."""

    def step(self, run: Run, report: Report) -> None:
        """Nothing to do."""

    def end(self, run: Run) -> None:
        """Draw losses and mean scores over images."""
        from ganbaru import plots

        plots.losses(read_log(run), run.folder.losses)


class Display:
    """Shows a live bar on a terminal; elsewhere a plain line at each twentieth of the run.

    So that the log of a long run shows life, a plain line also comes with the first line of the
    log and after ten minutes without one.
    """

    PARTS, MOST_SECONDS = 20, 600

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.bar: Any = None

    def start(self, run: Run) -> None:
        """Show the bar, if there is a terminal."""
        self.first = self.now = (run.share, run.seconds)
        self.shown: tuple[int, float] = (-1, -math.inf)
        if self.stream.isatty():
            self.bar = _bar(self.stream)
            self.task = self.bar.add_task("", total=1.0, images="starting", left="", numbers="")
            self.bar.start()

    def step(self, run: Run, report: Report) -> None:
        """Move the bar."""
        self.now = (run.share, run.seconds)
        if self.bar:
            how = {"images": f"{run.images:,} images", "left": f"{_clock(self._left())} left"}
            self.bar.update(self.task, completed=run.share, **how)

    def end(self, run: Run) -> None:
        """Take the bar away."""
        self.close()
        if run.share < 1:
            self._say("Stopping and saving; press Ctrl-C again to end at once.")

    def close(self) -> None:
        """Give the terminal back, also after a failure."""
        if self.bar:
            self.bar.stop()
            self.bar = None

    def line(self, line: Line) -> None:
        """Show a line of the log."""
        numbers = (
            f"{line['images_per_second']:.0f}/s  D {line['d_loss']:.3f}  G {line['g_loss']:.3f}  "
            f"real {line['real_score']:+.2f}  fake {line['fake_score']:+.2f}"
        )
        part, seconds = int(self.PARTS * self.now[0]), line["seconds"]
        if self.bar:
            self.bar.update(self.task, numbers=numbers)
        elif part > self.shown[0] or seconds - self.shown[1] >= self.MOST_SECONDS:
            self.shown = (part, seconds)
            done = f"{line['images']:,} images  {_clock(seconds)}  {_clock(self._left())} left"
            self._say(f"{done}  {numbers}")

    def _say(self, text: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # training outlives whoever read its lines
            print(text, file=self.stream, flush=True)

    def _left(self) -> float:
        """Estimate the seconds to go, by the pace of this session."""
        share, seconds = self.now
        pace = (seconds - self.first[1]) / max(1e-9, share - self.first[0])
        return pace * (1 - min(1.0, share))


def _bar(stream: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.table import Column

    texts = ("{task.fields[images]}", "{task.fields[left]}", "{task.fields[numbers]}")
    columns = [TextColumn(text, table_column=Column(no_wrap=True)) for text in texts]
    return Progress(
        BarColumn(bar_width=10), TaskProgressColumn(), *columns,
        console=Console(file=stream), transient=True,
    )  # fmt: skip


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def standard(display: Display | None = None) -> list[Callback]:
    """Return the habits of `ganbaru train`, in the order in which they hear of a step."""
    listeners = [display.line] if display else []
    shown: list[Callback] = [display] if display else []
    # A second Ctrl-C may cut the last habits short: the checkpoint comes before the pictures.
    return [*shown, Log(listeners), Checkpoints(), Samples(), LossPlot()]
