"""Measurements that the log callback adds to its lines."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.data import Progress
from ganbaru.training.run import Run
from ganbaru.training.run_log import Line


class Measurement:
    """Base class of what adds numbers to lines of the log. It changes nothing in the run."""

    def setup(self, run: Run, progress: Progress) -> None:
        """Load what it needs; raises InputError before anything is written or deleted."""

    def start(self, run: Run, lines: Sequence[Line]) -> None:
        """Called before the first step, with the lines that the log has so far."""

    def values(self, run: Run, short: bool) -> Line:
        """Return the numbers for a line that is about to be written, {} if none are due.

        A `short` line ends the session; a resumed run replaces it by a full one.
        """
        return {}
