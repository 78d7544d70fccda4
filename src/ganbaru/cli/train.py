"""`ganbaru train`: train a GAN with a progress bar, or resume a run."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.cli import options, plan, run_summary
from ganbaru.formatting import Verbosity, say


def train(arguments: Sequence[str]) -> int:
    """Train and print where the files are; returns the exit code."""
    description = "Train a GAN; all files are written to the run's folder."
    dry = {"dry_run": "print a plan, as `ganbaru plan` does, and stop: nothing is written"}
    config, chosen, own = options.explained("train", description, arguments, own=dry)
    say(*chosen)
    if own["dry_run"]:
        plan.show(config, as_json=False)
        return 0
    from ganbaru import callbacks, data
    from ganbaru.training import recovery, setup, signals

    bar = callbacks.Display()
    with data.progress_bar() as progress:
        run = setup.build(config, callbacks.standard(bar), progress)
    if not Verbosity.quiet:
        say(*run_summary.opening(run))
    first, said = run, len(run.notes)
    try:
        with signals.graceful_stop() as interrupted:
            run = recovery.train(run, lambda: callbacks.standard(bar), interrupted, bar.note)
    finally:
        bar.close()
    say(*run_summary.closing(run, run.notes[said:] if run is first else run.notes))
    return 0 if run.finished else interrupted.exit_code
