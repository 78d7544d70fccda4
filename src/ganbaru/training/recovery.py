"""Rollbacks: a run that diverged goes on from its last checkpoint with half the learning rates."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from ganbaru.errors import DivergedError
from ganbaru.training import distributed
from ganbaru.training.loop import loop
from ganbaru.training.run import Callback, Run

MOST = 2  # rollbacks of one session
RATES = ("lr", "lr_g", "lr_d")


def train(
    run: Run,
    callbacks: Callable[[], Sequence[Callback]],
    interrupted: Callable[[], bool],
    announce: Callable[[str], object] = lambda text: None,
) -> Run:
    """Train, with rollbacks if `--on-trouble` is rollback; return the run that reached the end.

    A rollback is what `--resume` with half the learning rates does: it is in the run's history and
    config.yaml, and a run that was rolled back resumes exactly. The run has new `callbacks` then.
    Raises DivergedError at the third divergence.
    """
    for left in range(MOST, -1, -1):
        try:
            loop(run, interrupted)
            break
        except DivergedError:
            if run.config.on_trouble != "rollback" or not left:
                raise
        run = _rolled_back(run, callbacks())
        announce(run.notes[-1])
    return run


def _rolled_back(run: Run, callbacks: Sequence[Callback]) -> Run:
    halves = {
        name: getattr(run.config, name) / 2
        for name in RATES
        if getattr(run.config, name) is not None
    }
    again = distributed.build(dataclasses.replace(run.config, resume=True, **halves), callbacks)
    g, d = again.config.rates
    again.notes.append(
        f"The training diverged at {run.images:,} images. It was rolled back to "
        f"{again.images:,} images and goes on with half the learning rates ({g:.2g} of G, {d:.2g} "
        f"of D)."
    )
    return again
