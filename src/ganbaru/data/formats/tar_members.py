"""The members of a tar file that may be hostile: every fault is one message."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, Protocol

from ganbaru.data.picture_file import brief
from ganbaru.data.source import damaged
from ganbaru.errors import InputError

MAX_HEADER = 2**20  # bytes of a long name or of attributes, which tarfile reads at once
LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE)
FAULTS = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, RecursionError)


class _Member(tarfile.TarInfo):
    """A header, refused if it announces sizes that no archive has."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        """Parse a header; tarfile adds negative sizes up, and reads long names whole."""
        found = super().frombuf(buf, encoding, errors)
        special = found.type in (*LONG, tarfile.SOLARIS_XHDTYPE)
        if found.size < 0 or (special and found.size > MAX_HEADER):
            raise tarfile.ReadError(f"a header announces {found.size:,} bytes")
        return found


@contextmanager
def members(
    path: Path, file: IO[bytes], mode: Literal["r:", "r|"]
) -> Iterator[tuple[tarfile.TarFile, Iterator[tarfile.TarInfo]]]:
    """Yield an open tar file and its members in order; faults become the error for damage."""
    try:
        with tarfile.open(fileobj=file, mode=mode, tarinfo=_Member) as archive:
            yield archive, _forward(archive)
    except InputError:
        raise
    except FAULTS as error:
        raise damaged(path, f"it does not unpack ({brief(error)})") from error


def _forward(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield members as long as each begins after the one before: attributes may change sizes."""
    last = -1
    for member in archive:
        if member.size < 0 or member.offset <= last:
            raise tarfile.ReadError(f"a header announces {member.size:,} bytes")
        last = member.offset
        yield member


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Limited:
    """The beginning of an unpacked stream: its end by then, or an error."""

    def __init__(self, stream: _Readable, most: int) -> None:
        """Let at most `most` bytes be read."""
        self._stream, self._left, self._empty = stream, most, 0

    def read(self, size: int) -> bytes:
        """Read as the stream does; raises tarfile.ReadError beyond the limit."""
        data = self._stream.read(size)
        self._left -= len(data)
        self._empty += not data
        if self._left < 0:
            raise tarfile.ReadError("it unpacks to more than CIFAR-10 does")
        if self._empty > 1000:  # tarfile goes on to the end of a member, however far
            raise tarfile.ReadError("unexpected end of data")
        return data
