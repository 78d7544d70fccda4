"""The doctor at work: each finding about the training once, when it first holds, and at the end."""

from __future__ import annotations

from collections.abc import Callable

from ganbaru.metrics import diagnosis
from ganbaru.training.run import Callback, Run
from ganbaru.training.run_log import Line, read_log


class Doctor(Callback):
    """Says what is wrong with a run while it trains (`metrics.diagnosis`).

    A finding is passed to `announce` when it first holds, and those that hold at the end are notes
    of the run. With `--on-trouble stop` the first one ends the run. Everything follows from the
    log, so a resumed run finds what an uninterrupted one does. Listed after `Log`.
    """

    def __init__(self, announce: Callable[[str], None] | None = None) -> None:
        self.announce = announce

    def start(self, run: Run) -> None:
        """Read the log so far; what held in it has been announced."""
        self.history = diagnosis.History()
        for line in read_log(run.folder):
            if line["images"] <= run.images:
                self.history.add(line)
        self.known = {each.code for each in self._findings(run)}

    def line(self, run: Run, line: Line) -> None:
        """Judge the log with its new line."""
        self.history.add(line)
        held = self._findings(run)
        for found in held:
            if found.code in self.known:
                continue
            self.known.add(found.code)
            if self.announce:
                self.announce(f"doctor: at {run.images:,} images: {found.sentence()}")
        if held and run.config.on_trouble == "stop":
            run.stop(f"Stopped by --on-trouble stop: {held[0].text} ({held[0].code}).")

    def end(self, run: Run) -> None:
        """Add what holds at the end to the run's notes."""
        run.notes += [f"doctor: {each.sentence()}" for each in self._findings(run)]

    def _findings(self, run: Run) -> list[diagnosis.Finding]:
        return self.history.diagnosis(run.config).findings
