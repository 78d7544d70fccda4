"""Callbacks: what a run does besides training; one file each, and `standard` lists the usual ones.

A callback extends `Callback` and overrides some of `setup`, `start`, `step`, `line`, `grid`, `end`,
and `state` with `restore`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ganbaru.callbacks.adaptive_augmentation import AdaptiveAugmentation
from ganbaru.callbacks.checkpoints import Checkpoints
from ganbaru.callbacks.collapse_alarm import CollapseAlarm
from ganbaru.callbacks.doctor import Doctor
from ganbaru.callbacks.early_stopping import EarlyStopping
from ganbaru.callbacks.examination import Examination
from ganbaru.callbacks.latent_history import History
from ganbaru.callbacks.log import Log
from ganbaru.callbacks.notebook import NotebookDisplay
from ganbaru.callbacks.periodic_evaluation import PeriodicEvaluation
from ganbaru.callbacks.plots import LossPlot
from ganbaru.callbacks.progress import Display
from ganbaru.callbacks.report import HtmlReport
from ganbaru.callbacks.sample_grids import Samples
from ganbaru.callbacks.tensorboard import TensorBoard
from ganbaru.callbacks.timelapse import TimeLapse
from ganbaru.callbacks.validation import Validation
from ganbaru.data import kernel
from ganbaru.training.run import Callback, Measurement

Live = Display | NotebookDisplay

__all__ = [
    "AdaptiveAugmentation",
    "Callback",
    "Checkpoints",
    "CollapseAlarm",
    "Display",
    "Doctor",
    "EarlyStopping",
    "Examination",
    "History",
    "HtmlReport",
    "Live",
    "Log",
    "LossPlot",
    "Measurement",
    "NotebookDisplay",
    "PeriodicEvaluation",
    "Samples",
    "TensorBoard",
    "TimeLapse",
    "Validation",
    "live",
    "standard",
]


def standard(
    display: Callback | None = None, measurements: Sequence[Measurement] | None = None
) -> list[Callback]:
    """Return the default callbacks, in the order in which each step is passed to them."""
    return [
        *([display] if display else []),
        AdaptiveAugmentation(),  # before the log, which has its strength
        Log(measurements),
        Doctor(getattr(display, "note", None)),
        EarlyStopping(),
        # A second Ctrl-C may end the run before the callbacks: the checkpoint precedes pictures.
        Checkpoints(),
        Samples(),
        CollapseAlarm(),
        TimeLapse(),
        TensorBoard(),
        History(),
        LossPlot(),
        HtmlReport(),
    ]


def live(progress: bool = True) -> list[Live]:
    """Return the display that fits: of a notebook or a terminal; none elsewhere or if not wanted.

    Call its `close` at the end, also after an error.
    """
    if progress and kernel.active():
        return [NotebookDisplay()]
    return [Display()] if progress and sys.stdout is not None and sys.stdout.isatty() else []
