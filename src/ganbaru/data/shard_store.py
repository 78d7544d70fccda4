"""Shards on this machine: local files, or copies of those at URLs, of which some are kept."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ganbaru import files
from ganbaru.coerce import convert
from ganbaru.data import download
from ganbaru.data.claims import open_regular
from ganbaru.errors import InputError, RunError

URL = ("http://", "https://")
AT_ONCE = 16  # shards whose images are mixed
DOWNLOADS = 2  # at a time
KEPT = 4 * AT_ONCE  # copies at least: two players read AT_ONCE shards, and the next are on the way
GIB = 32.0  # of copies at most beyond that, unless $GANBARU_SHARDS_GIB says otherwise
TOUCHED = 5  # seconds after which a copy's last use is noted again


def _part(path: Path, offset: int, length: int) -> bytes:
    with open_regular(path) as file:
        file.seek(offset)
        return file.read(length)


@dataclass
class Store:
    """The shards at `places`, paths or URLs; copies of URLs are below `folder`."""

    places: Sequence[str]
    folder: Path
    lengths: Sequence[int] = ()  # in bytes, once they are known
    _next: dict[int, int] = field(default_factory=dict)
    _copies: dict[int, tuple[float, Future[Path]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(DOWNLOADS))

    def __post_init__(self) -> None:
        """Read the environment, now: downloads run on threads."""
        name = "GANBARU_SHARDS_GIB"
        self._most = 2**30 * float(convert(float, f"${name}", os.environ.get(name) or GIB))
        if not self._most >= 0:
            raise InputError(f"${name} is {os.environ[name]}: give 0 or more, in GiB.")

    def path(self, shard: int) -> Path:
        """Return the local file of a shard, when it is there; raises RunError if it can't be."""
        if not self.places[shard].startswith(URL):
            return Path(self.places[shard])
        with self._lock:
            found = self._copy(shard)
            if (after := self._next.get(shard)) is not None:
                self._copy(after)
        return found.result()

    def read(self, shard: int, offset: int, length: int) -> bytes:
        """Read a part of a shard; raises RunError if it is not there."""
        try:
            try:
                return _part(self.path(shard), offset, length)
            except FileNotFoundError:  # another process has made room
                self._copies.pop(shard, None)
                return _part(self.path(shard), offset, length)
        except OSError as error:
            raise RunError(
                f"Cannot read {self.places[shard]}: {error.strerror or error}. Put it back and "
                f"resume the run."
            ) from error

    def follow(self, sequence: Sequence[int]) -> None:
        """Download ahead in this order of shards: when one is used, the one AT_ONCE later."""
        self._next |= dict(zip(sequence, sequence[AT_ONCE:], strict=False))

    def _copy(self, shard: int) -> Future[Path]:
        """Return the copy of a shard, begun if it isn't there, or its last use noted."""
        now = time.monotonic()
        used, copy = self._copies.get(shard, (0.0, None))
        if copy and (now - used < TOUCHED or not copy.done()):
            return copy
        path = self.folder / f"{shard:05}-{download.file_name(self.places[shard])}"
        with suppress(OSError):
            os.utime(path)
            if self._whole(shard, path):
                copy = Future()
                copy.set_result(path)
                self._copies[shard] = now, copy
                return copy
        made: Future[Path] = Future()
        self._copies[shard] = now, made
        # Threads of a pool would finish what waits for them before the program can end.
        threading.Thread(target=self._run, args=(made, shard, path), daemon=True).start()
        return made

    def _run(self, made: Future[Path], shard: int, path: Path) -> None:
        with self._slots:
            try:
                made.set_result(self._download(shard, path))
            except BaseException as error:  # which is raised where the shard is needed
                made.set_exception(error)

    def _whole(self, shard: int, path: Path) -> bool:
        return not self.lengths or path.stat().st_size == self.lengths[shard]

    def _download(self, shard: int, path: Path) -> Path:
        url = self.places[shard]
        with files.writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with files.replacing(path) as made:
            download.retrieve(url, made)
        if not self._whole(shard, path):
            raise RunError(
                f"{url} has {path.stat().st_size:,} bytes and had {self.lengths[shard]:,} when it "
                f"was indexed. Put the old file back, or delete {self.folder} and its index."
            )
        self._make_room()
        return path

    def _make_room(self) -> None:
        """Remove the copies that were not used for longest."""
        with suppress(OSError):  # another process removes them too
            stats = sorted((path.stat().st_mtime, path) for path in self.folder.iterdir())
            total = sum(path.stat().st_size for _, path in stats)
            for _, path in stats[: max(0, len(stats) - KEPT)]:
                if total <= self._most:
                    break
                total -= path.stat().st_size
                path.unlink()
