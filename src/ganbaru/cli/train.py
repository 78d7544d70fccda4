"""`ganbaru train`: train a GAN with a progress bar, or resume a run."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.cli import options, run_summary


def train(arguments: Sequence[str]) -> int:
    """Train and print where the files are; returns the exit code."""
    description = "Train a GAN; all files are written to the run's folder."
    config = options.config("train", description, arguments)
    from ganbaru import callbacks, data
    from ganbaru.training import loop, setup, signals

    with data.progress_bar() as progress:
        run = setup.build(config, progress)
    print(run_summary.opening(run), flush=True)
    bar = callbacks.Display()
    try:
        with signals.watched() as interrupted:
            loop.loop(run, callbacks.standard(bar), interrupted)
    finally:
        bar.close()
    print(run_summary.closing(run))
    return 0 if run.finished else interrupted.exit_code
