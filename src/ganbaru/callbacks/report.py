"""The callback that keeps a run's HTML report up to date."""

from __future__ import annotations

from pathlib import Path

from ganbaru import report
from ganbaru.report import facts
from ganbaru.training.run import Callback, Run


class HtmlReport(Callback):
    """Writes the report at the start, with each sample grid and at the end.

    It takes a few hundredths of a second, and also a killed run has a report. At the start, so that
    a damaged file of a resumed run is reported before the training. Listed after `Samples`.
    """

    def start(self, run: Run) -> None:
        """Write about.json, and the first report."""
        facts.note(run)
        report.write(run.folder)

    def grid(self, run: Run, path: Path) -> None:
        report.write(run.folder)

    def end(self, run: Run) -> None:
        facts.note(run)  # again: the run's warnings are known
        report.write(run.folder)
