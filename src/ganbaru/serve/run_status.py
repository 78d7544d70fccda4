"""A run's folder read again and again while it grows, without ever writing to it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from ganbaru.config import Config, from_fields, load_yaml
from ganbaru.errors import InputError
from ganbaru.metrics import milestones
from ganbaru.training.run_folder import Folder

Line = dict[str, float]
T = TypeVar("T")
PAUSE = 0.3  # seconds in which a folder is read once, however many ask
RECENT = 20  # lines of the log by which the pace is judged
QUIET = 120.0  # seconds without news after which a run may have died, or three times its usual


@dataclass(frozen=True)
class RunStatus:
    """A run at one moment. `left` are seconds, None where that cannot be told."""

    lines: tuple[Line, ...]
    grids: tuple[int, ...]  # by the images that were shown before
    floors: dict[str, float]
    state: str
    share: float
    left: float | None
    wanted: float | None  # images in all, where the run ends by them
    film: bool
    report: bool

    @property
    def version(self) -> str:
        """Return what changes when anything did."""
        last = self.lines[-1]["images"] if self.lines else 0
        return f"{len(self.lines)}-{last:.0f}-{len(self.grids)}-{self.state}-{self.report:d}"


class RunWatcher:
    """Reads a run's folder on demand: of the log only what is new."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._log = Log(folder.log)
        self._lock = threading.Lock()
        self._config = Kept(folder.config, lambda: from_fields(load_yaml(folder.config)))
        self._count = Kept(folder.about, lambda: _count(folder))
        self._floors = Kept(folder.milestones, lambda: milestones.baselines(folder))
        self._until = 0.0
        self._seen: RunStatus | None = None

    def seen(self) -> RunStatus:
        """Return the run as it is now, or was a moment ago."""
        with self._lock:
            if self._seen is None or time.monotonic() > self._until:
                self._seen = self._read()
                self._until = time.monotonic() + PAUSE
            return self._seen

    def grid(self, images: int) -> Path | None:
        """Return where the grid at `images` lies, None if there is none."""
        return self.folder.sample(images) if images in self.seen().grids else None

    def _read(self) -> RunStatus:
        self._log.read()
        lines, config = tuple(self._log.lines), self._config.read()
        count = self._count.read() or 0
        share = _share(config, lines[-1], count) if lines else 0.0
        wanted = config and (config.images or (config.epochs and count and config.epochs * count))
        return RunStatus(
            lines=lines,
            grids=tuple(sorted(int(path.stem) for path in self.folder.samples.glob("[0-9]*.png")
                               if path.stem.isdigit())),
            floors=self._floors.read() or {},
            state=self._state(lines, share),
            share=share,
            left=_left(config, lines, count, share),
            wanted=wanted or None,
            film=self.folder.timelapse.exists(),
            report=self.folder.report.exists(),
        )  # fmt: skip

    def _state(self, lines: tuple[Line, ...], share: float) -> str:
        if share >= 1:
            return "finished"
        log = _changed(self.folder.log)
        # The last thing that a run writes, also when it was stopped early.
        if lines and _changed(self.folder.history) >= log:
            return "stopped"
        usual = 3 * (lines[-1]["seconds"] - lines[-2]["seconds"]) if len(lines) > 1 else 0.0
        news = max(log, _changed(self.folder.config), _changed(self.folder.samples)) / 1e9
        if time.time() - news > max(QUIET, usual):
            return "silent"
        return "training" if lines else "starting"


class Kept(Generic[T]):
    """What a file says, read anew only when the file has changed; None while it is damaged."""

    def __init__(self, path: Path, load: Callable[[], T]) -> None:
        self._path, self._load = path, load
        self._stamp = -1
        self._found: T | None = None

    def read(self) -> T | None:
        """Return what the file says now."""
        stamp = _changed(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._found = self._load()
            except (InputError, OSError, ValueError, KeyError, TypeError):
                self._found = None
        return self._found


class Log:
    """The lines of a log that grows; a line that is not whole yet waits, a damaged one is left out.

    A run that goes on writes its log anew, and then it is read from the start.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[Line] = []
        self._file, self._place = -1, 0

    def read(self) -> None:
        """Read what is new."""
        try:
            with self.path.open("rb") as file:
                self._follow(*_identity(self.path))
                file.seek(self._place)
                new = file.read()
        except OSError:
            self.lines, self._place = [], 0
            return
        whole = new[: new.rfind(b"\n") + 1]
        self._place += len(whole)
        self.lines += filter(None, map(_line, whole.splitlines()))

    def _follow(self, file: int, size: int) -> None:
        if file != self._file or size < self._place:
            self.lines, self._file, self._place = [], file, 0


NEEDED = ("images", "step", "seconds")


def _line(text: bytes) -> Line | None:
    try:
        found: Any = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or not all(name in found for name in NEEDED):
        return None
    numbers = {key: float(x) for key, x in found.items() if isinstance(x, (int, float))}
    return numbers if all(name in numbers for name in NEEDED) else None


def _identity(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_ino, about.st_size


def _changed(path: Path) -> int:
    """Return when a file changed, in nanoseconds; 0 if there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _count(folder: Folder) -> int:
    """Return how many training images there are."""
    return int(json.loads(folder.about.read_text(encoding="utf-8"))["data"]["count"])


def _share(config: Config | None, line: Line, count: int) -> float:
    """Return how much of a run is done at a line."""
    if config is None:
        return 0.0
    share = config.done(line["step"], line["images"], line["seconds"], count)
    # The last line may have been written a step or a moment before the end.
    return 1.0 if share > 0.9995 else share


def _left(config: Config | None, lines: tuple[Line, ...], count: int, share: float) -> float | None:
    """Estimate the seconds to go by the pace of the last lines."""
    if len(lines) < 2 or not 0 < share < 1:
        return None
    first, last = lines[max(0, len(lines) - RECENT)], lines[-1]
    done = share - _share(config, first, count)
    seconds = last["seconds"] - first["seconds"]
    return (1 - share) * seconds / done if done > 0 and seconds > 0 else None
