"""The habits that a run has unless told otherwise; each is a class in a file of its kind."""

from __future__ import annotations

from ganbaru.callbacks.latent_history import History
from ganbaru.callbacks.log import Checkpoints, Log, LossPlot
from ganbaru.callbacks.progress import Display
from ganbaru.callbacks.sample_grids import Samples
from ganbaru.callbacks.tensorboard import TensorBoard
from ganbaru.callbacks.timelapse import TimeLapse
from ganbaru.report import Report
from ganbaru.training.loop import Callback

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
