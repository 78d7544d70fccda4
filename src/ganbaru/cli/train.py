"""`ganbaru train`: train a GAN with a progress bar, or resume a run."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ganbaru import ranks
from ganbaru.cli import options, plan, run_summary
from ganbaru.formatting import Verbosity, say


def train(arguments: Sequence[str]) -> int:
    """Train and print where the files are; returns the exit code.

    Where the environment announces several processes, of `torchrun` or of JAX, this is one rank.
    """
    announced = {"WORLD_SIZE", "JAX_COORDINATOR_ADDRESS"} & {*os.environ}
    if {"-h", "--help"} & {*arguments} or not announced:
        return _train(arguments)
    from ganbaru.ranks import processes

    with processes.joined():
        return _train(arguments)


def _train(arguments: Sequence[str]) -> int:
    """Train as one rank; the first one prints."""
    leads = ranks.world().leads
    description = "Train a GAN; all files are written to the run's folder."
    dry = {"dry_run": "print a plan, as `ganbaru plan` does, and stop: nothing is written"}
    config, chosen, own = ranks.attempt(
        lambda: options.explained("train", description, arguments, own=dry)
    )
    for line in chosen if leads else ():
        say(line)
    if own["dry_run"]:
        if leads:
            from ganbaru.training import run_folder

            run_folder.check_available(config)
            plan.show(config, as_json=False)
        return 0
    if config.devices > 1:  # read when JAX is imported; of CPUs alone
        flag = f"--xla_force_host_platform_device_count={config.devices}"
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
    from ganbaru import callbacks, data
    from ganbaru.training import distributed, recovery, signals

    bar = callbacks.Display()

    def each() -> list[callbacks.Callback]:
        return callbacks.standard(bar) if leads else []

    with data.progress_bar() as progress:
        run = distributed.build(config, each(), progress if leads else data.silent)
    if leads and not Verbosity.quiet:
        say(*run_summary.opening(run))
    first, said = run, len(run.notes)
    try:
        with signals.graceful_stop() as interrupted:
            run = recovery.train(run, each, interrupted, bar.note if leads else list)
    finally:
        bar.close()
    if leads:
        say(*run_summary.closing(run, run.notes[said:] if run is first else run.notes))
    return 0 if run.finished else interrupted.exit_code
