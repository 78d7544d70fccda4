"""The collapse alarm: a note when the variety of images falls to less than half of what it was."""

from __future__ import annotations

from ganbaru.training.run import Callback, Run
from ganbaru.training.run_log import Line, read_log

SHARE = 0.5  # of the largest Vendi score so far; training that goes well keeps 0.8 of it and more


class CollapseAlarm(Callback):
    """Adds one note to a run whose Vendi score falls below half of its largest.

    The Vendi score is the effective number of different images in a periodic evaluation
    (`--evaluate-every`). It rises from noise on, so it is compared with the run's own largest.
    Everything follows from the log, so a resumed run gives the note that an uninterrupted one does.
    """

    def start(self, run: Run) -> None:
        """Read the scores so far."""
        self.best: Line = {}
        self.raised = False
        for line in read_log(run.folder):
            if line["images"] <= run.images:
                self.line(run, line)

    def line(self, run: Run, line: Line) -> None:
        """Compare a line that has scores with the best one."""
        if "vendi" not in line or self.raised:
            return
        if not self.best or line["vendi"] > self.best["vendi"]:
            self.best = line
        if line["vendi"] < SHARE * self.best["vendi"]:
            self.raised = True
            run.notes.append(
                f"The generator is collapsing: at {line['images']:,.0f} images its samples are as "
                f"various as {line['vendi']:.1f} different ones, after {self.best['vendi']:.1f} at "
                f"{self.best['images']:,.0f} (Vendi score). Take best.safetensors "
                f"(--checkpoint best), and a lower --lr or a --penalty for the next run."
            )
