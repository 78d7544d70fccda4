"""All runs of a tournament: those that are done are skipped, one under way goes on."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ganbaru import callbacks, data
from ganbaru.comparison import training
from ganbaru.comparison.contestants import slug
from ganbaru.config import Config
from ganbaru.data import Progress
from ganbaru.engines.numpy import parallel
from ganbaru.metrics.milestones import MEASURE

Tell = Callable[[str], None]
Interrupted = Callable[[], bool]
PATIENCE = 0.2  # seconds between two looks at whether to stop


@dataclass(frozen=True)
class Entry:
    """One run to be: a contestant with a seed."""

    name: str
    config: Config

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(str(self.config.run))


def entries(configs: Mapping[str, Config], seeds: int, folder: Path) -> list[Entry]:
    """Return all runs, seed by seed, so that contestants who share a seed play one after another.

    What changes while a tournament lasts, such as the load of the machine, then meets all of them.
    """
    return [
        Entry(name, replace(one, seed=seed, run=str(folder / slug(name) / f"seed{seed}")))
        for seed in range(seeds)
        for name, one in configs.items()
    ]


def play_all(
    todo: list[Entry],
    workers: int,
    interrupted: Interrupted,
    tell: Tell,
    display: Callable[[], callbacks.Display] | None = None,
    progress: Progress = data.silent,
) -> None:
    """Play what is not done yet; returns early when `interrupted`, everything saved."""
    left = [entry for entry in todo if training.outcome(entry.folder) is None]
    if len(left) < len(todo):
        tell(f"{len(todo) - len(left)} of {len(todo)} runs are there already.")
    done = len(todo) - len(left)

    def told(entry: Entry) -> None:
        nonlocal done
        done += 1
        tell(f"{done} of {len(todo)}: {_ended(entry)}")

    if workers > 1 and len(left) > 1:
        _side_by_side(left, min(workers, len(left)), interrupted, told)
        return
    for entry in left:
        if interrupted():
            return
        training.train_step(entry.config, interrupted, display() if display else None, progress)
        if training.outcome(entry.folder):
            told(entry)


def _ended(entry: Entry) -> str:
    ended = training.outcome(entry.folder)
    assert ended
    how = ended.failed or (
        f"Fréchet distance {ended.scores[MEASURE]:.4g} after {ended.images:,} images, "
        f"{ended.seconds:.0f} s"
    )
    return f"{entry.name}, seed {entry.config.seed}: {how}"


# --- several at a time ------------------------------------------------------------------------

_asked: Any = None  # in a worker: the event that asks it to stop


def _begin(event: Any, threads: int) -> None:
    """Set a worker up: its share of the cores, and deaf to Ctrl-C, which its parent hears."""
    global _asked
    _asked = event
    for name in ("GANBARU_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    for name in ("SIGINT", "SIGHUP"):  # which a terminal sends to all of its processes
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _asked_to_stop() -> bool:
    parent = multiprocessing.parent_process()
    return _asked.is_set() or (parent is not None and not parent.is_alive())


def _play(entry: Entry) -> None:
    training.train_step(entry.config, _asked_to_stop)


def _side_by_side(
    left: list[Entry], workers: int, interrupted: Interrupted, told: Callable[[Entry], None]
) -> None:
    """Play in processes of their own; spawned, since forked ones may hang on a library's locks."""
    context = multiprocessing.get_context("spawn")
    event, threads = context.Event(), max(1, parallel.thread_count() // workers)
    with ProcessPoolExecutor(workers, context, _begin, (event, threads)) as pool:
        try:
            _feed(pool, list(left), workers, interrupted, told, event)
        except BaseException:
            event.set()  # the others save, too
            raise


def _feed(
    pool: ProcessPoolExecutor,
    queue: list[Entry],
    workers: int,
    interrupted: Interrupted,
    told: Callable[[Entry], None],
    event: Any,
) -> None:
    running: dict[Future[None], Entry] = {}
    while running or (queue and not interrupted()):
        while queue and len(running) < workers and not interrupted():
            entry = queue.pop(0)
            running[pool.submit(_play, entry)] = entry
        if interrupted():
            event.set()
        ended, _ = wait(running, PATIENCE, FIRST_COMPLETED)
        for future in ended:
            entry = running.pop(future)
            future.result()
            if training.outcome(entry.folder):
                told(entry)
