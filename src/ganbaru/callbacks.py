"""The habits that a run has unless told otherwise; each is a class in a file of its kind."""

from __future__ import annotations

from ganbaru.display import Display
from ganbaru.history import History
from ganbaru.records import Checkpoints, Log, LossPlot
from ganbaru.report import Report
from ganbaru.samples import Samples
from ganbaru.tensorboard import TensorBoard
from ganbaru.timelapse import TimeLapse
from ganbaru.training import Callback

__all__ = [
    "Callback",
    "Checkpoints",
    "Display",
    "History",
    "Log",
    "LossPlot",
    "Report",
    "Samples",
    "TensorBoard",
    "TimeLapse",
    "standard",
]


def standard(display: Display | None = None) -> list[Callback]:
    """Return the habits of `ganbaru train`, in the order in which they hear of a step."""
    shown: list[Callback] = [display] if display else []
    board = TensorBoard()
    log = Log([*([display.line] if display else []), board.line])
    # A second Ctrl-C may cut the last habits short: the checkpoint comes before the pictures.
    samples = Samples([TimeLapse(), board])
    return [*shown, log, Checkpoints(), samples, History(), LossPlot(), Report()]
