"""Callbacks: what a run does besides training; one file each, and `standard` lists the usual ones.

A callback extends `Callback` and overrides some of `setup`, `start`, `step`, `line`, `grid`, `end`,
and `state` with `restore`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.callbacks.adaptive_augmentation import AdaptiveAugmentation
from ganbaru.callbacks.checkpoints import Checkpoints
from ganbaru.callbacks.collapse_alarm import CollapseAlarm
from ganbaru.callbacks.doctor import Doctor
from ganbaru.callbacks.early_stopping import EarlyStopping
from ganbaru.callbacks.examination import Examination
from ganbaru.callbacks.latent_history import History
from ganbaru.callbacks.log import Log
from ganbaru.callbacks.periodic_evaluation import PeriodicEvaluation
from ganbaru.callbacks.plots import LossPlot
from ganbaru.callbacks.progress import Display
from ganbaru.callbacks.report import HtmlReport
from ganbaru.callbacks.sample_grids import Samples
from ganbaru.callbacks.tensorboard import TensorBoard
from ganbaru.callbacks.timelapse import TimeLapse
from ganbaru.callbacks.validation import Validation
from ganbaru.training.run import Callback, Measurement

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
    "Log",
    "LossPlot",
    "Measurement",
    "PeriodicEvaluation",
    "Samples",
    "TensorBoard",
    "TimeLapse",
    "Validation",
    "standard",
]


def standard(
    display: Display | None = None, measurements: Sequence[Measurement] | None = None
) -> list[Callback]:
    """Return the default callbacks, in the order in which each step is passed to them."""
    return [
        *([display] if display else []),
        AdaptiveAugmentation(),  # before the log, which has its strength
        Log(measurements),
        Doctor(display.note if display else None),
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
