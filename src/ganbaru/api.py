"""Training from Python: `ganbaru.train`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganbaru import engines
from ganbaru.callbacks import Callback, standard
from ganbaru.config import Config
from ganbaru.training import recovery, setup, signals


def train(config: Config, callbacks: Sequence[Callback] | None = None) -> Path:
    """Train as configured and return the run's folder; Ctrl-C or SIGTERM saves and ends early.

    `callbacks` replaces the default ones: log, checkpoints, sample grids, plots, report. They are
    set up again when the run is rolled back (`on_trouble="rollback"`). Raises
    InputError for a wrong configuration and RunError when the training diverges.
    """
    run = setup.build(config, standard() if callbacks is None else callbacks)
    engines.configure_process(run.engine)
    with signals.graceful_stop() as interrupted:
        again = (lambda: standard()) if callbacks is None else (lambda: callbacks)
        return recovery.train(run, again, interrupted).folder.path
