"""A run's progress in a notebook: a bar with numbers, the sample grid and the loss curves."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru.data import kernel
from ganbaru.data.picture_file import own_picture
from ganbaru.formatting import clock
from ganbaru.gan.step import StepMetrics
from ganbaru.report.chart import svg
from ganbaru.report.curves import curves
from ganbaru.sampling import image_io, png
from ganbaru.training.run import Callback, Run
from ganbaru.training.run_log import Line, read_log

EVERY = 1.0  # seconds between two drawings of the curves
STYLE = """<style>.ganbaru { max-width: 520px; color: #808080; }
.ganbaru .line { fill: none; stroke-width: 1.6; } .ganbaru .rule { stroke: #80808055; }
.ganbaru text { fill: #808080; font-size: 12px; } .ganbaru .middle { text-anchor: middle; }
.ganbaru .end { text-anchor: end; } .ganbaru .key { margin-right: 16px; }
.ganbaru .one { stroke: #4269d0; color: #4269d0; }
.ganbaru .two { stroke: #e15759; color: #e15759; }
.ganbaru .dashed { stroke-dasharray: 7 4; } .ganbaru .dotted { stroke-dasharray: 2 4; }</style>"""


class NotebookDisplay(Callback):
    """Shows a run in the output of a cell and replaces it in place; needs a Jupyter kernel."""

    def __init__(self) -> None:
        self.status, self.picture, self.chart = kernel.Area(), kernel.Area(), kernel.Area()

    def start(self, run: Run) -> None:
        """Show the bar at once: the first sample grid may take a while."""
        self.first = (run.share, run.seconds)
        self.lines: list[Line] = read_log(run.folder) if run.images else []
        self.shown = self.drawn = -math.inf
        self.numbers = ""
        self._status(run, "starting")

    def step(self, run: Run, metrics: StepMetrics) -> None:
        if time.monotonic() - self.shown >= kernel.EVERY:
            share, seconds = run.share - self.first[0], run.seconds - self.first[1]
            left = seconds / max(1e-9, share) * (1 - min(1.0, run.share))
            self._status(run, f"{run.images:,} images  {clock(left)} left  {self.numbers}")

    def line(self, run: Run, line: Line) -> None:
        self.numbers = f"D {line['d_loss']:.3f}  G {line['g_loss']:.3f}"
        self.lines.append(line)
        if time.monotonic() - self.drawn >= EVERY:
            self._curves()

    def grid(self, run: Run, path: Path) -> None:
        image = np.asarray(own_picture(path)[0])
        large = image_io.enlarge(image.reshape(*image.shape[:2], -1), 384)
        self.picture.show(f"samples at {run.images:,} images", png=png.encoded(large))

    def end(self, run: Run) -> None:
        if self.lines:
            self._curves()
        done = "done" if run.finished else "stopped and saved"
        self._status(
            run, f"{done}: {run.images:,} images in {clock(run.seconds)}: {run.folder.path}"
        )

    def close(self) -> None:
        """Leave the output as it is: what a failed run has shown helps to understand it."""

    def _status(self, run: Run, text: str) -> None:
        self.shown = time.monotonic()
        self.status.show(text, markup=kernel.bar(run.share, text))

    def _curves(self) -> None:
        self.drawn = time.monotonic()
        charts: dict[str, Any] = curves(self.lines, {})
        if "losses" in charts:
            drawn = svg(charts["losses"])
            self.chart.show("loss curves", markup=f'{STYLE}<div class="ganbaru">{drawn}</div>')
