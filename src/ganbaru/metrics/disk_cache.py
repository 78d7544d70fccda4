"""A disk cache of results that take long to compute, each with its SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ganbaru import files
from ganbaru.errors import InputError


def cached(name: str, make: Callable[[], bytes]) -> tuple[bytes, tuple[str, ...]]:
    """Return the bytes of a cached file, made if there is none, and notes for the user.

    A file that does not match the SHA-256 beside it was cut short or edited: it is made again, and
    a note says so.
    """
    file = files.cache() / "scorers" / name
    digest = file.with_name(f"{file.name}.sha256")
    content, expected = _read(file), _read(digest)
    if content is not None and expected == _hash(content):
        return content, ()
    notes = (f"{file} was cut short or edited; it was made again.",) if content is not None else ()
    content = make()
    with suppress(OSError, InputError):  # without a writable cache it only takes longer next time
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, content)
        _write(digest, _hash(content))
    return content, notes


def _hash(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def _write(file: Path, content: bytes) -> None:
    with files.replacing(file) as temporary:
        temporary.write_bytes(content)
