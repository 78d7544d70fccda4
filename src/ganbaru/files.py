"""Atomic file writes, the cache folder, and one message for files that cannot be written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ganbaru.errors import InputError


def cache() -> Path:
    """Return the folder for files that can be made again: $GANBARU_CACHE or the platform's own."""
    if named := os.environ.get("GANBARU_CACHE"):
        return Path(named).expanduser()
    import pooch  # 80 ms, and only needed here

    return Path(pooch.os_cache("ganbaru"))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError while `path` is written into an InputError that names the remedy."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror or error}. Free some space, or choose a folder "
            f"where you may write; earlier files are unchanged."
        ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` at the end, or is removed after a failure."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}.tmp")
    with writing(path):
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):  # already moved after a success
                temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write plain values as JSON in UTF-8, atomically."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def cached(
    name: str, make: Callable[[], bytes], warn: Callable[[str], object] = lambda message: None
) -> bytes:
    """Return the content of the file `name` below `cache()`; made and stored if it is missing.

    NAME.sha256 beside it holds its SHA-256. A file with another one is passed to `warn` in a
    sentence and made again. Where the cache cannot be written, `make` is called each time.
    """
    file = cache() / name
    digest = file.with_name(f"{file.name}.sha256")
    with contextlib.suppress(OSError):
        content = file.read_bytes()
        with contextlib.suppress(OSError):
            if digest.read_bytes() == _sha256(content):
                return content
        warn(f"{file} was cut short or edited since it was made; it was made again.")
    content = make()
    with contextlib.suppress(OSError, InputError):
        file.parent.mkdir(parents=True, exist_ok=True)
        for path, data in ((file, content), (digest, _sha256(content))):
            with replacing(path) as temporary:
                temporary.write_bytes(data)
    return content


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
