"""A run on several ranks: rank 0 has the files and callbacks, and all agree on when to stop."""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ganbaru import __version__, data, ranks
from ganbaru.coerce import shown
from ganbaru.config import Config, flag
from ganbaru.data import Progress
from ganbaru.errors import DivergedError, InputError, RunError
from ganbaru.ranks import Group
from ganbaru.training import setup
from ganbaru.training.run import Callback, Run, describe_data

CHECK_EVERY = 1_000  # steps between two comparisons of the ranks' weights
_OWN = {"data_dir", "device"}  # what may differ between hosts
_FINE, _FAILED, _DIVERGED = 0, 1, 2


def build(
    config: Config, callbacks: Sequence[Callback] = (), progress: Progress = data.silent
) -> Run:
    """Set up a run on every rank: rank 0 as on one process, the others from what it has.

    Raises InputError on rank 0, and ends the others, if a rank has other options or data, another
    version, or an error of its own.
    """
    group = ranks.world()
    if group.size == 1:
        return setup.build(config, callbacks, progress)
    _compare(group, {"version": __version__, **_fields(config)})
    group.ready()
    first = ranks.attempt(lambda: setup.build(config, callbacks, progress) if group.leads else None)
    given = group.broadcast(_packed(first) if first else None)
    return ranks.attempt(lambda: first or setup.follow(config, *given))  # as rank 0 has the cache


def _fields(config: Config) -> dict[str, str]:
    return {
        flag(name): shown(value)
        for name, value in dataclasses.asdict(config).items()
        if name not in _OWN
    }


def _compare(group: Group, mine: dict[str, str]) -> None:
    """Raise InputError, on the first rank, if the ranks' options or versions differ."""
    first, *others = group.gather(mine)
    for rank, other in enumerate(others, 1):
        for key, value in first.items():
            if other[key] != value:
                message = (
                    f"Rank {rank} has {key} {other[key]} and rank 0 {value}: start all ranks with "
                    f"one command, of one version."
                )
                raise InputError(message) if group.leads else SystemExit(2)


def _packed(run: Run) -> tuple[Any, ...]:
    """Return what other ranks need of rank 0's run."""
    state = {group: run.fetched(group) for group in run.state}
    about = describe_data(run.source)
    return run.config, about, state, (run.step, run.images, run.seconds, run.strength)


# --- while training -------------------------------------------------------------------------------


def together(run: Run, interrupted: Callable[[], bool], notify: Callable[[Callback], None]) -> bool:
    """Notify rank 0's callbacks; all ranks then agree on the clock and on whether to go on.

    Returns whether any was interrupted. One small message: the clock, the augmentation's strength
    and a callback's stop are rank 0's, an interruption is anyone's. If a callback raises, it does
    on rank 0, and the other ranks end; a divergence is raised on all, so that all roll back.
    """
    group = ranks.world()
    failed: Exception | None = None
    try:
        for callback in run.callbacks:
            notify(callback)
    except Exception as error:
        if group.size == 1:
            raise
        failed = error
    if group.size == 1:
        return interrupted()
    kind = (_DIVERGED if isinstance(failed, DivergedError) else _FAILED) if failed else _FINE
    mine = [run.seconds, run.strength, bool(run.stopped), kind] if group.leads else [0.0] * 4
    signal = getattr(interrupted, "signal", None)
    stops = interrupted()
    found = group.total(np.array([*mine, stops, signal or 0, signal is not None], np.float64))
    run.seconds, run.strength, stopped, code, stopping, number, signals = found.tolist()
    if code:
        raise failed or (DivergedError("The training diverged.") if code > 1 else SystemExit(1))
    if stopped and not run.stopped:
        run.stop("Rank 0 ended the run.")
    if signals and signal is None:
        interrupted.signal = math.floor(number / signals)  # type: ignore[attr-defined]
    if run.step and run.step % CHECK_EVERY == 0:
        compare_states(run, group)
    return bool(stopping)


def compare_states(run: Run, group: Group) -> None:
    """Raise RunError if the weights of two ranks differ."""
    mine = {
        f"{name}.{key}": zlib.crc32(np.ascontiguousarray(run.engine.to_numpy(x)).tobytes())
        for name, tensors in run.state.items()
        for key, x in tensors.items()
    }
    first, *others = group.gather(mine)
    for rank, other in enumerate(others, 1):
        if apart := [name for name, found in first.items() if other[name] != found]:
            message = (
                f"Rank {rank} has another {apart[0]} than rank 0 at step {run.step:,} "
                f"({len(apart)} of {len(first)} tensors differ): a network that computes over its "
                f"batch must use ganbaru.ranks.batch_mean, or a device is faulty. Resume from the "
                f"last checkpoint."
            )
            raise RunError(message) if group.leads else SystemExit(1)
