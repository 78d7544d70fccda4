"""Habits during training: log, progress display, sample grids, checkpoints, plot and time-lapse."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from ganbaru import media
from ganbaru.errors import RunError
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
    """Writes a line to log.jsonl every so many images, each number the mean since the last line."""

    def __init__(self, listeners: Sequence[Callable[[Line], None]] = ()) -> None:
        self.listeners = listeners
        self.reports: list[Report] = []

    def start(self, run: Run) -> None:
        """Open the log; lines written after the checkpoint that a run goes on from are dropped."""
        self.every = Every(run.config.log_every, run.images)
        kept = [line for line in read_log(run) if line["images"] <= run.images]
        self.last = (run.images, run.seconds)
        run.folder.log.write_text("".join(json.dumps(line) + "\n" for line in kept))

    def step(self, run: Run, report: Report) -> None:
        """Collect a step's numbers; write a line when one is due."""
        self.reports.append(report)
        if self.every.due(run.images):
            self._write(run)

    def end(self, run: Run) -> None:
        """Write what has gathered since the last line."""
        if self.reports:
            self._write(run)

    def _write(self, run: Run) -> None:
        means = {
            name: math.fsum(float(run.engine.to_numpy(r[name])) for r in self.reports)
            / len(self.reports)
            for name in self.reports[0]
        }
        if not all(map(math.isfinite, means.values())):
            raise RunError(_diverged(run, means))
        images, seconds = self.last
        speed = (run.images - images) / max(1e-9, run.seconds - seconds)
        line = {"images": run.images, "step": run.step, "seconds": round(run.seconds, 3),
                "images_per_second": round(speed, 1), **means}  # fmt: skip
        with run.folder.log.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self.last, self.reports = (run.images, run.seconds), []
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


def _diverged(run: Run, means: Line) -> str:
    broken = ", ".join(name for name, value in means.items() if not math.isfinite(value))
    return (
        f"The training diverged before {run.images:,} images: {broken} became NaN or infinite. "
        f"{_last_good(run)} Try a lower --lr, a penalty such as --penalty r1, or another --objective."
    )


def _last_good(run: Run) -> str:
    kept = sorted(run.folder.checkpoints.glob("*.safetensors"))
    return f"The last good checkpoint is {kept[-1]}." if kept else "No checkpoint was due yet."


class Samples:
    """Draws the same seeds every so many images; at the end makes a film of the grids."""

    def start(self, run: Run) -> None:
        """Draw the untrained generator."""
        self.every = Every(run.config.sample_every, run.images)
        self.drawn = -1
        if run.images == 0:
            self._draw(run)

    def step(self, run: Run, report: Report) -> None:
        """Draw when a grid is due."""
        if self.every.due(run.images):
            self._draw(run)

    def end(self, run: Run) -> None:
        """Draw the last grid and write the time-lapse."""
        if self.drawn != run.images:
            self._draw(run)
        grids = sorted(p for p in run.folder.samples.glob("*.png") if int(p.stem) <= run.images)
        media.save_gif(run.folder.timelapse, media.evenly(grids, most=120))

    def _draw(self, run: Run) -> None:
        columns = len(run.classes) if 2 <= len(run.classes) <= 16 else 8
        images = run.generator().sample(8 * columns)
        media.save_png(run.folder.sample(run.images), media.enlarge(media.grid(images, columns)))
        self.drawn = run.images


class Checkpoints:
    """Saves every so many images and at the end, and keeps the newest few."""

    def start(self, run: Run) -> None:
        """Begin counting."""
        self.every = Every(run.config.checkpoint_every, run.images)

    def step(self, run: Run, report: Report) -> None:
        """Save when a checkpoint is due."""
        if self.every.due(run.images):
            self._save(run)

    def end(self, run: Run) -> None:
        """Save the last state."""
        self._save(run)

    def _save(self, run: Run) -> None:
        run.save()
        kept = sorted(run.folder.checkpoints.glob("*.safetensors"))
        for path in kept[: -run.config.keep]:
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
    """Shows live progress on a terminal, or a plain line for each line of the log elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.bar: Any = None
        self.share, self.began, self.first = 0.0, 0.0, 0.0

    def start(self, run: Run) -> None:
        """Show the bar, if there is a terminal."""
        self.first = run.share
        if self.stream.isatty():
            self.bar = _bar(self.stream)
            self.bar.start()
            self.task = self.bar.add_task("starting", total=1.0, completed=run.share)

    def step(self, run: Run, report: Report) -> None:
        """Move the bar."""
        self.share = run.share
        if self.bar:
            self.bar.update(self.task, completed=run.share)

    def end(self, run: Run) -> None:
        """Take the bar away."""
        self.close()

    def close(self) -> None:
        """Give the terminal back, also after a failure."""
        if self.bar:
            self.bar.stop()
            self.bar = None

    def line(self, line: Line) -> None:
        """Show a line of the log."""
        left = line["seconds"] / max(1e-9, self.share) * (1 - min(1.0, self.share))
        text = (
            f"{line['images']:,} images  {line['images_per_second']:.0f}/s  "
            f"{_clock(line['seconds'])} done  {_clock(left)} left  "
            f"D {line['d_loss']:.3f}  G {line['g_loss']:.3f}  "
            f"real {line['real_score']:+.2f}  fake {line['fake_score']:+.2f}"
        )
        if self.bar:
            self.bar.update(self.task, description=text)
        else:
            print(text, file=self.stream, flush=True)


def _bar(stream: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (BarColumn(bar_width=20), TaskProgressColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=Console(file=stream))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def standard(display: Display | None = None) -> list[Callback]:
    """Return the habits of `ganbaru train`, in the order in which they hear of a step."""
    listeners = [display.line] if display else []
    shown: list[Callback] = [display] if display else []
    return [*shown, Log(listeners), Samples(), Checkpoints(), LossPlot()]
