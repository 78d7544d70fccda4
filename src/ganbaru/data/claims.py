"""Reading files that may be hostile: regular ones alone, and no memory taken for what they claim.

A pipe or a device is refused, since it may never end. Sizes that a file claims are compared with
the bytes that it has, and a file in absurdly many pieces is given up.
"""

from __future__ import annotations

import errno
import gzip
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

FREE = 2**26  # bytes that any file may unpack to: a grey picture of 8192x8192, RGB of 4096x4096
RATIO = 512  # bytes for each packed one beyond that: dSprites has 115, zeros in deflate 1032
MAX_BYTES = 2**29  # of a file that is read into memory whole
MAX_TABLE = 2**26  # of a file of labels: ImageNet's list has 1.3 million lines and 58 MB


class ClaimError(ValueError):
    """A file claims what it cannot hold; the message is the reason in a few words."""


def require(claimed: int, held: int, free: int = FREE) -> None:
    """Raise ClaimError if `held` bytes hardly unpack to as many as are claimed."""
    if claimed > max(free, RATIO * held):
        raise ClaimError(f"claims to unpack from {held:,} bytes to {claimed:,}")


class _Pieces:
    """A mixin that ends a file after so many reads: Python code that joins pieces is quadratic."""

    left = 2**15

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as the file does; raises ClaimError after too many times."""
        self.left -= 1
        if self.left < 0:
            raise ClaimError("is cut into too many pieces")
        return cast(bytes, super().read(size))  # type: ignore[misc]


class Stream(_Pieces, io.BytesIO):
    """Bytes as a file. `left` is for the header: a comment of a GIF is joined byte by byte."""


class _Packed(_Pieces, io.FileIO):
    """A packed file; gzip's header is read byte by byte, and may be repeated without end."""


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file to read; raises OSError for a pipe or a device, which may never end."""
    return open(path, "rb", opener=_opener)


def head(path: Path) -> bytes:
    """Return the first 512 bytes of a file; nothing of one without a size, as a kernel's log."""
    with open_regular(path) as file:
        return file.read(min(512, os.fstat(file.fileno()).st_size))


def open_gzip(path: Path) -> gzip.GzipFile:
    """Open a gzipped file, which unpacks as it is read."""
    file = _Packed(path, "rb", opener=_opener)
    file.left += os.fstat(file.fileno()).st_size // 1024
    unpacked = gzip.GzipFile(fileobj=file)
    unpacked.myfileobj = file  # closed with it
    return unpacked


def read_regular(path: str | Path, most: int = MAX_BYTES) -> bytes:
    """Return a file's content; raises OSError for one over `most` bytes, a pipe or a device."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            reason = f"it has {size:,} bytes, and {most:,} at most are expected"
            raise OSError(errno.EFBIG, reason, str(path))
        return file.read(size)


def _opener(path: str, flags: int) -> int:
    mode = os.stat(path).st_mode  # before it is opened: opening can start a device
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", path)
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
