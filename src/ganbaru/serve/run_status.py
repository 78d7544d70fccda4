"""The status of a run, read from its folder while it trains; nothing is written."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ganbaru.config import Config, from_file, load_yaml
from ganbaru.errors import InputError
from ganbaru.metrics import milestones
from ganbaru.report import facts
from ganbaru.serve import log
from ganbaru.training.run_folder import Folder
from ganbaru.training.run_log import Line, parse_line

T = TypeVar("T")
PAUSE = 0.3  # seconds for which a status is reused
RECENT = 20  # lines of the log from which the speed is estimated
# Seconds without a change after which a run may have died, or three times its usual interval.
QUIET = 120.0


@dataclass(frozen=True)
class RunStatus:
    """A run at one moment; `seconds_left` is None where it cannot be estimated."""

    lines: tuple[Line, ...]
    grids: tuple[int, ...]  # images seen at each sample grid
    baselines: dict[str, float]  # scores of real images
    state: str
    progress: float  # 0 to 1
    seconds_left: float | None
    total_images: float | None  # where the run ends after a number of images or epochs
    has_timelapse: bool
    has_report: bool
    config: Config | None = None  # None if its file is damaged

    @property
    def version(self) -> str:
        """Return a text that changes with the status."""
        last = self.lines[-1]["images"] if self.lines else 0
        return f"{len(self.lines)}-{last:.0f}-{len(self.grids)}-{self.state}-{self.has_report:d}"


UNREADABLE = RunStatus((), (), {}, "unreadable", 0.0, None, None, False, False)


class RunWatcher:
    """Reads a run's folder on demand: only new lines of the log, other files once they change."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._log = Log(folder.log)
        self._lock = threading.Lock()
        self._config = CachedFile(
            folder.config, lambda: from_file(load_yaml(folder.config), folder.config)
        )
        self._count = CachedFile(folder.about, lambda: facts.about(folder)["data"].get("count"))
        self._baselines = CachedFile(folder.milestones, lambda: milestones.baselines(folder))
        self._until = 0.0
        self._status: RunStatus | None = None

    def status(self) -> RunStatus:
        """Return the status, at most `PAUSE` seconds old."""
        with self._lock:
            if self._status is None or time.monotonic() > self._until:
                try:
                    self._status = self._read()
                except Exception as error:  # of any kind: the pages of other runs are still shown
                    log.problem(self.folder.path.name, error)
                    self._status = UNREADABLE
                self._until = time.monotonic() + PAUSE
            return self._status

    def grid(self, images: int) -> Path | None:
        """Return the path of the sample grid at `images`, None if there is none."""
        return self.folder.sample(images) if images in self.status().grids else None

    def _read(self) -> RunStatus:
        self._log.read()
        lines, config = tuple(self._log.lines), self._config.read()
        count = self._count.read() or 0
        progress = _progress(config, lines[-1], count) if lines else 0.0
        total = config and (config.images or (config.epochs and count and config.epochs * count))
        grids = [path.stem for path in self.folder.samples.glob("[0-9]*.png")]
        return RunStatus(
            lines=lines,
            grids=tuple(sorted(int(stem) for stem in grids if stem.isdigit())),
            baselines=self._baselines.read() or {},
            state=self._state(lines, progress),
            progress=progress,
            seconds_left=_seconds_left(config, lines, count, progress),
            total_images=total or None,
            has_timelapse=self.folder.timelapse.exists(),
            has_report=self.folder.report.exists(),
            config=config,
        )

    def _state(self, lines: tuple[Line, ...], progress: float) -> str:
        if progress >= 1:
            return "finished"
        log = _modified(self.folder.log)
        # The history is the last file that a run writes, also when it is stopped early.
        if lines and _modified(self.folder.history) >= log:
            return "stopped"
        usual = 3 * (lines[-1]["seconds"] - lines[-2]["seconds"]) if len(lines) > 1 else 0.0
        newest = max(log, _modified(self.folder.config), _modified(self.folder.samples)) / 1e9
        if time.time() - newest > max(QUIET, usual):
            return "silent"
        return "training" if lines else "starting"


class CachedFile(Generic[T]):
    """The content of a file, loaded when the file has changed; None while it is damaged."""

    def __init__(self, path: Path, load: Callable[[], T]) -> None:
        self._path, self._load = path, load
        self._stamp = -1
        self._found: T | None = None

    def read(self) -> T | None:
        """Return the present content."""
        stamp = _modified(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._found = self._load()
            except InputError:
                self._found = None
        return self._found


class Log:
    """The lines of a growing log; incomplete lines wait, damaged ones are skipped.

    A run that resumes rewrites its log, which is then read from the start.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[Line] = []
        self._file, self._place = -1, 0

    def read(self) -> None:
        """Read the new lines."""
        try:
            with self.path.open("rb") as file:
                found = self.path.stat()
                if found.st_ino != self._file or found.st_size < self._place:
                    self.lines, self._file, self._place = [], found.st_ino, 0
                file.seek(self._place)
                new = file.read()
        except OSError:
            self.lines, self._place = [], 0
            return
        whole = new[: new.rfind(b"\n") + 1]
        self._place += len(whole)
        for text in whole.splitlines():
            with contextlib.suppress(InputError):
                self.lines.append(parse_line(text))


def _modified(path: Path) -> int:
    """Return the modification time of a file in nanoseconds, 0 if there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _progress(config: Config | None, line: Line, count: int) -> float:
    """Return the progress of a run at a line, from 0 to 1."""
    if config is None:
        return 0.0
    progress = config.done(line["step"], line["images"], line["seconds"], count)
    # The last line may have been written a step or a moment before the end.
    return 1.0 if progress > 0.9995 else progress


def _seconds_left(
    config: Config | None, lines: tuple[Line, ...], count: int, progress: float
) -> float | None:
    """Estimate the remaining seconds from the speed over the last lines."""
    if len(lines) < 2 or not 0 < progress < 1:
        return None
    first, last = lines[max(0, len(lines) - RECENT)], lines[-1]
    done = progress - _progress(config, first, count)
    seconds = last["seconds"] - first["seconds"]
    return (1 - progress) * seconds / done if done > 0 and seconds > 0 else None
