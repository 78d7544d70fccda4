"""Files that appear whole or not at all, and words for when the disk will not have them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ganbaru.errors import InputError


def cache() -> Path:
    """Return the folder for what can be had again: $GANBARU_CACHE or the platform's own."""
    if named := os.environ.get("GANBARU_CACHE"):
        return Path(named).expanduser()
    import pooch  # 80 ms, and only needed here

    return Path(pooch.os_cache("ganbaru"))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write `path` into an InputError that says what to do."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror or error}. Make room there, or choose a place "
            f"where you may write; what was saved before is untouched."
        ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write to; it takes the place of `path`, or goes after a failure."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}.tmp")
    with writing(path):
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):  # gone already when all went well
                temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a whole file of text, in UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
