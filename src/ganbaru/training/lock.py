"""The lock of a run folder: one run, one writer. Readers need none."""

from __future__ import annotations

import os
import platform
import shlex
import sys
import time
from pathlib import Path

from ganbaru import files
from ganbaru.errors import InputError

LOCK = ".ganbaru.lock"


class InUseError(InputError):
    """Raised for a folder that another process writes into."""


def check_in_use(folder: Path) -> None:
    """Raise InUseError if a process holds the lock of a folder; writes nothing."""
    try:
        with (folder / LOCK).open("rb") as file:
            if files.locked(file.fileno()) is False:
                raise _in_use(folder, file.read(300))
    except OSError:  # no such file, or one that cannot be read: no lock to find
        return


def _in_use(folder: Path, holder: bytes) -> InUseError:
    return InUseError(
        f"{folder} is in use by {holder.decode(errors='replace') or 'another process'}. Wait until "
        f"that process ends, stop it, or choose another folder."
    )


class Lock:
    """The right to write into a folder, which one process has until `close` or its end."""

    def __init__(self, folder: Path) -> None:
        """Raise InUseError, which names the process that has it, its host, start and command."""
        self.path = folder / LOCK
        self._file = -1  # closed
        with files.writing(self.path):
            lock = self._open()
            while lock is not False and not files.is_at(self.path, self._file):
                self._release()  # removed meanwhile by its former holder
                lock = self._open()
            if lock is False:
                holder = os.read(self._file, 300)
                self._release()
                raise _in_use(folder, holder)
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            about = f"process {os.getpid()} on {platform.node()} since {since}"
            about += f" ({shlex.join(sys.argv)[:99]})"
            self.stale = os.fstat(self._file).st_size > 0  # its former holder was killed
            os.ftruncate(self._file, 0)
            os.write(self._file, about.encode(errors="replace"))
        unknown = f"{folder} cannot be locked there: let no other process write into it."
        self.note = unknown if lock is None else ""

    def _open(self) -> bool | None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        self._file = os.open(self.path, flags, 0o666)
        return files.locked(self._file)

    def _release(self) -> None:
        os.close(self._file)
        self._file = -1

    def close(self) -> None:
        """Let others write."""
        if self._file >= 0:
            files.remove(self.path)
            self._release()

    __del__ = close
