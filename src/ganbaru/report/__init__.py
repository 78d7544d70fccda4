"""The report of a run: one self-contained HTML file, without scripts or links."""

from __future__ import annotations

from pathlib import Path

from ganbaru import files
from ganbaru.callbacks.log import Every
from ganbaru.gan.step import Report as Numbers
from ganbaru.report import facts, page
from ganbaru.training.loop import Run
from ganbaru.training.run_folder import Folder


def write(folder: Folder) -> Path:
    """Write a run's report from the files in its folder and return its path.

    Raises InputError if one of them is damaged.
    """
    text = page.page(facts.read(folder))
    files.write_text(folder.report, text)
    return folder.report


class Report:
    """Writes the report at the start, with each sample grid, and at the end.

    It takes a few hundredths of a second, and one of a run that was killed is worth having too. At
    the start, so that a damaged file of a run that goes on is told of before the training.
    """

    def start(self, run: Run) -> None:
        """Write down what only the run knows; show where it stands."""
        facts.note(run)
        self.every = Every(run.config.sample_every, run.images)
        write(run.folder)

    def step(self, run: Run, report: Numbers) -> None:
        """Write it anew when there is a new grid."""
        if self.every.due(run.images):
            write(run.folder)

    def end(self, run: Run) -> None:
        """Write it for the last time."""
        write(run.folder)
