"""Training from Python: `ganbaru.train`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganbaru import engines
from ganbaru.callbacks import Callback, standard
from ganbaru.config import Config
from ganbaru.gan import recommendation
from ganbaru.training import setup, signals
from ganbaru.training.loop import loop


def train(
    config: Config | str | Path, callbacks: Sequence[Callback] | None = None, **options: Any
) -> Path:
    """Train and return the run's folder; Ctrl-C or SIGTERM saves and ends early.

    `config` is a configuration, a preset's name, or a path to pictures, for which all options are
    chosen (`ganbaru.from_pictures`); `options` replace fields of it. `callbacks` replaces the
    default ones: log, checkpoints, sample grids, plots, report. Raises InputError for a wrong
    configuration and RunError when the training diverges.
    """
    config = recommendation.configured(config, options)
    run = setup.build(config, standard() if callbacks is None else callbacks)
    engines.configure_process(run.engine)
    with signals.graceful_stop() as interrupted:
        loop(run, interrupted)
    return run.folder.path
