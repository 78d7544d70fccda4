"""Atomic file writes, messages for refused writes, and the cache folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ganbaru.errors import InputError


def cache() -> Path:
    """Return the folder for files that can be recreated: $GANBARU_CACHE or the platform's own."""
    if named := os.environ.get("GANBARU_CACHE"):
        return Path(named).expanduser()
    import pooch  # 80 ms, and only needed here

    return Path(pooch.os_cache("ganbaru"))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError on writing `path` into an InputError with a fix."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror or error}. Free some space, or choose a folder "
            f"where you may write; earlier files are unchanged."
        ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; it replaces `path`, or is deleted after a failure."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}.tmp")
    with writing(path):
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):  # already moved after a success
                temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file, in UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
