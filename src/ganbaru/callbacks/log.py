"""The log callback: a line of log.jsonl every so many images, with losses and measurements."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, TypedDict

from ganbaru import files
from ganbaru.callbacks.examination import Examination
from ganbaru.callbacks.periodic_evaluation import PeriodicEvaluation
from ganbaru.callbacks.validation import Validation
from ganbaru.data import Progress
from ganbaru.gan.step import StepMetrics
from ganbaru.training.run import Callback, Every, Measurement, Run
from ganbaru.training.run_log import NOT_FINITE, Line, read_log


class LogState(TypedDict):
    """The metrics of the steps since the last line."""

    reports: list[dict[str, float]]


class Log(Callback):
    """Writes a line every `log_every` images; each number is the mean since the last line.

    The steps since the last line are saved in checkpoints: a resumed run writes the lines of an
    uninterrupted one. `measurements` add numbers to some of the lines, by default `Validation`,
    `Examination` and `PeriodicEvaluation`. A line with NaN or infinity has only its other numbers,
    and how many it lacks (`not_finite`); it is the last one.
    """

    name = "log"
    STATE = LogState

    def __init__(self, measurements: Sequence[Measurement] | None = None) -> None:
        default = [Validation(), Examination(), PeriodicEvaluation()]
        self.measurements = default if measurements is None else measurements

    def setup(self, run: Run, progress: Progress) -> None:
        self.metrics: list[StepMetrics] = []
        if run.images:
            read_log(run.folder, run.notes.append)
        for measurement in self.measurements:
            measurement.setup(run, progress)

    def state(self) -> dict[str, Any]:
        """Return the losses and mean scores of the steps since the last line."""
        reports = [{name: float(x) for name, x in each.items()} for each in self.metrics]
        return {"reports": reports}

    def restore(self, state: dict[str, Any]) -> None:
        self.metrics = list(state["reports"])

    def start(self, run: Run) -> None:
        """Cut the log back to the checkpoint: later lines and a short last one go."""
        self.every = Every(run.config.log_every, run.images)
        self.last = (run.images, run.seconds)
        whole = run.images - (1 if self.metrics else 0)
        lines = [line for line in read_log(run.folder) if line["images"] <= whole]
        files.write_text(run.folder.log, "".join(json.dumps(line) + "\n" for line in lines))
        for measurement in self.measurements:
            measurement.start(run, lines)

    def step(self, run: Run, metrics: StepMetrics) -> None:
        self.metrics.append(metrics)
        if self.every.due(run.images):
            self._write(run, short=False)

    def end(self, run: Run) -> None:
        """Write a short line of the steps since the last one."""
        if self.metrics:
            self._write(run, short=True)

    def _write(self, run: Run, short: bool) -> None:
        numbers = _means(self.metrics)
        for measurement in self.measurements:
            numbers |= measurement.values(run, short)
        broken = [name for name, value in numbers.items() if not math.isfinite(value)]
        if broken:  # the doctor reads the line
            numbers = {n: x for n, x in numbers.items() if n not in broken}
            numbers[NOT_FINITE] = len(broken)
        images, seconds = self.last
        speed = (run.images - images) / max(1e-9, run.seconds - seconds)
        line = {
            "images": run.images,
            "step": run.step,
            "seconds": round(run.seconds, 3),
            "images_per_second": round(speed, 1),
            **numbers,
        }
        with files.writing(run.folder.log), run.folder.log.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if broken:
            raise run.diverged(", ".join(broken))
        self.last = (run.images, run.seconds)
        if not short:
            self.metrics.clear()
        for callback in run.callbacks:
            callback.line(run, line)


def _means(metrics: Sequence[StepMetrics]) -> Line:
    """Return the mean of each number; a penalty that the resumed run adds has fewer steps."""
    values: dict[str, list[float]] = {}
    for each in metrics:
        for name, x in each.items():
            values.setdefault(name, []).append(float(x))
    return {name: math.fsum(each) / len(each) for name, each in values.items()}
