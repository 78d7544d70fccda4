"""Runs all runs of a tournament: finished ones are skipped, an interrupted one is resumed."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ganbaru import callbacks, data, registry
from ganbaru.comparison import training
from ganbaru.comparison.contestants import folder_name
from ganbaru.config import Config
from ganbaru.data import Progress
from ganbaru.engines.numpy import parallel
from ganbaru.metrics.milestones import MEASURE
from ganbaru.training.lock import LOCK

Tell = Callable[[str], None]
Interrupted = Callable[[], bool]
POLL_SECONDS = 0.2  # between two checks for an interruption


@dataclass(frozen=True)
class ScheduledRun:
    """A run of a tournament: a contestant with a seed."""

    name: str
    config: Config

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(str(self.config.run))


Report = Callable[[ScheduledRun], None]


def schedule(configs: Mapping[str, Config], seeds: int, folder: Path) -> list[ScheduledRun]:
    """Return all runs, seed by seed, so that the runs of a seed follow each other.

    Changes during a tournament, such as the load of the machine, then affect all contestants.
    """
    places = {name: folder / folder_name(name) for name in configs}
    return [
        ScheduledRun(name, replace(one, seed=seed, run=str(places[name] / f"seed{seed}")))
        for seed in range(seeds)
        for name, one in configs.items()
    ]


def run_all(
    todo: list[ScheduledRun],
    workers: int,
    interrupted: Interrupted,
    tell: Tell,
    display: Callable[[], callbacks.Live] | None = None,
    progress: Progress = data.silent,
) -> None:
    """Run what is not finished; returns early when `interrupted`, everything saved."""
    left = [entry for entry in todo if not _ended(entry.folder)]
    if len(left) < len(todo):
        tell(f"{len(todo) - len(left)} of {len(todo)} runs are finished already.")
    number = itertools.count(len(todo) - len(left) + 1)

    def report(entry: ScheduledRun) -> None:
        tell(f"{next(number)} of {len(todo)}: {_summary(entry)}")

    if workers > 1 and len(left) > 1:
        _run_in_workers(left, min(workers, len(left)), interrupted, report)
        return
    for entry in left:
        if interrupted():
            return
        shown = display() if display else None
        training.train_and_score(entry.config, interrupted, shown, progress)
        if training.outcome(entry.folder):
            report(entry)


def _ended(folder: Path) -> bool:
    """Return whether a run has its outcome, and was not killed while it drew its pictures."""
    return training.outcome(folder) is not None and not (folder / LOCK).exists()


def _summary(entry: ScheduledRun) -> str:
    found = training.outcome(entry.folder)
    assert found
    text = found.failed or (
        f"Fréchet distance {found.scores[MEASURE]:.4g} after {found.images:,} images, "
        f"{found.seconds:.0f} s"
    )
    return f"{entry.name}, seed {entry.config.seed}: {text}"


# --- worker processes -------------------------------------------------------------------------

_stop: Any = None  # in a worker: the event that is set to stop it
_running = threading.Lock()  # in a worker: held during a run


def _initialise(event: Any, threads: int, current_folder: bool) -> None:
    """Give a worker its share of the cores, and let only its parent handle Ctrl-C.

    It finds the user's own modules where its parent does.
    """
    global _stop
    _stop = event
    if current_folder:
        registry.search_current_folder()
    for name in ("GANBARU_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    for name in ("SIGINT", "SIGHUP"):  # sent by a terminal to all of its processes
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when its parent has ended, however it did, and the run here is saved.

    The pool's own pipes stay open: each worker holds both ends of them.
    """
    if parent := multiprocessing.parent_process():
        parent.join()
        with _running:
            os._exit(1)


def _stopped() -> bool:
    parent = multiprocessing.parent_process()
    return _stop.is_set() or (parent is not None and not parent.is_alive())


def _run(entry: ScheduledRun) -> None:
    with _running:
        if not _stopped():
            training.train_and_score(entry.config, _stopped)


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Let processes that start here not search the current folder, as `python -c` does.

    Pythons before 3.11 do not know the variable.
    """
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        os.environ.pop("PYTHONSAFEPATH")
        if before is not None:
            os.environ["PYTHONSAFEPATH"] = before


def _run_in_workers(
    left: list[ScheduledRun], workers: int, interrupted: Interrupted, report: Report
) -> None:
    """Run in worker processes, spawned, since forked ones may hang on a library's locks."""
    context = multiprocessing.get_context("spawn")
    with _safe_path():  # it starts a process that keeps count of such events
        event = context.Event()
    threads = max(1, parallel.thread_count() // workers)
    given = event, threads, registry.searches_current_folder()
    with ProcessPoolExecutor(workers, context, _initialise, given) as pool:
        try:
            with _safe_path():
                running = {pool.submit(_run, entry): entry for entry in left}
            while running:
                if interrupted():
                    event.set()  # the workers save and stop
                ended, _ = wait(running, POLL_SECONDS, FIRST_COMPLETED)
                for future in ended:
                    entry = running.pop(future)
                    future.result()
                    if training.outcome(entry.folder):
                        report(entry)
        except BaseException:
            event.set()
            raise
