"""A run's records: the log with its held-out losses, the checkpoints, and the plot of the log."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

from ganbaru import files
from ganbaru.callbacks import periodic_evaluation, validation
from ganbaru.errors import InputError
from ganbaru.gan.step import Report
from ganbaru.training import checkpoint
from ganbaru.training.loop import Run
from ganbaru.training.run_folder import Folder

Line = dict[str, float]


class Every:
    """Tells when a count passes a multiple of `interval`."""

    def __init__(self, interval: int, start: int = 0) -> None:
        self.interval, self.passed = interval, start // interval

    def due(self, count: int) -> bool:
        """Say whether a multiple was passed since the last call."""
        before, self.passed = self.passed, count // self.interval
        return self.passed > before


class Scores:
    """Scores the run in the first full line of the log after each milestone, and keeps the best.

    All that it goes by is in the log: a run that goes on has the best score and the patience that
    an uninterrupted one would have. A short last line has no scores, since going on drops it.
    """

    def start(self, run: Run, kept: Sequence[Line]) -> None:
        """Find the best score so far; refuses to go on with a run whose patience is at its end."""
        if not run.examiner:
            return
        periodic_evaluation.record(run)
        self.every = Every(run.config.evaluate_every, int(kept[-1]["images"]) if kept else 0)
        self.best, self.stale = math.inf, 0
        for line in kept:
            if periodic_evaluation.MEASURE in line:
                self._better(line[periodic_evaluation.MEASURE])
        self._consider(run)
        if run.stopped:
            raise InputError(
                f"{run.stopped} To go on with {run.folder.path}, give a larger --patience, or 0."
            )

    def values(self, run: Run) -> Line:
        """Return the scores if they are due."""
        due = run.examiner and self.every.due(run.images)
        return run.examiner.values(run) if run.examiner and due else {}

    def heard(self, run: Run, values: Line) -> None:
        """Keep the run as it is now if its score is the best so far; stop it if patience ends."""
        if periodic_evaluation.MEASURE in values:
            if self._better(values[periodic_evaluation.MEASURE]):
                run.save(run.folder.best)
            self._consider(run)

    def _better(self, score: float) -> bool:
        better = score < self.best
        self.best, self.stale = (score, 0) if better else (self.best, self.stale + 1)
        return better

    def _consider(self, run: Run) -> None:
        if 0 < run.config.patience <= self.stale:
            run.stopped = f"No better score in the last {self.stale} scorings: {self.best:.4g}."


class Log:
    """Writes a line to log.jsonl every so many images, each number the mean since the last line.

    What is not in a line yet is in the run's `reports` and so in its checkpoints: a run that goes
    on writes the lines that an uninterrupted one would have written. The first line after each
    milestone of the sample grids also has the held-out losses, and that after each milestone of
    the scores the scores.
    """

    def __init__(self, listeners: Sequence[Callable[[Line], None]] = ()) -> None:
        self.listeners = listeners
        self.scores = Scores()

    def start(self, run: Run) -> None:
        """Open the log as it was at the checkpoint; later lines and a short last one go."""
        self.every = Every(run.config.log_every, run.images)
        self.last = (run.images, run.seconds)
        whole = run.images - (1 if run.reports else 0)
        kept = [line for line in read_log(run.folder) if line["images"] <= whole]
        self.milestones = Every(run.config.sample_every, int(kept[-1]["images"]) if kept else 0)
        files.write_text(run.folder.log, "".join(json.dumps(line) + "\n" for line in kept))
        self.scores.start(run, kept)

    def step(self, run: Run, report: Report) -> None:
        """Collect a step's numbers; write a line when one is due."""
        run.reports.append(report)
        if self.every.due(run.images):
            scores = self.scores.values(run)
            self._write(run, scores)
            run.reports.clear()
            self.scores.heard(run, scores)

    def end(self, run: Run) -> None:
        """Write what has gathered since the last line."""
        if run.reports:
            self._write(run, {})

    def _write(self, run: Run, scores: Line) -> None:
        means = {
            name: math.fsum(float(report[name]) for report in run.reports) / len(run.reports)
            for name in run.reports[0]
        }
        if self.milestones.due(run.images):
            means |= validation.losses(run)
        means |= scores
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


def read_log(folder: Folder) -> list[Line]:
    """Read a run's log; a last line cut short by a crash is left out."""
    lines: list[Line] = []
    if folder.log.exists():
        for text in folder.log.read_text().splitlines():
            try:
                lines.append(json.loads(text))
            except ValueError:
                break
    return lines


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
        """Draw losses and mean logits over images, and another plot of the scores if there are."""
        from ganbaru.callbacks import plots

        lines = read_log(run.folder)
        plots.losses(lines, run.folder.losses)
        if run.examiner and any(periodic_evaluation.MEASURE in line for line in lines):
            plots.scores(lines, run.examiner.floors, run.folder.scores)
