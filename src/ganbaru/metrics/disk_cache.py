"""What takes minutes is made once: files in the user's cache that show when they were changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ganbaru import files
from ganbaru.errors import InputError


def kept(name: str, make: Callable[[], bytes]) -> tuple[bytes, tuple[str, ...]]:
    """Return the bytes of a cached file, made if there is none, and notes for the user.

    Beside it lies its SHA-256. A file that it does not fit is cut short or edited: it is made
    anew, and a note says so.
    """
    file = files.cache() / "scorers" / name
    digest = file.with_name(f"{file.name}.sha256")
    content, expected = _read(file), _read(digest)
    if content is not None and expected == _hash(content):
        return content, ()
    notes = () if content is None else (
        f"{file} was cut short or edited since it was made; it was made anew.",
    )  # fmt: skip
    content = make()
    # Without a writable cache it only takes longer next time.
    with suppress(OSError, InputError):
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
