"""File writes that appear whole or not at all, locks, files that users name, the cache folder."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ganbaru.errors import InputError, RunError
from ganbaru.formatting import ESCAPE

TEMPORARY = re.compile(r"\.ganbaru-[0-9a-f]{16}\.tmp")
ABANDONED = 24 * 3600  # seconds after which a temporary file is removed where locks fail
# Errors of a wrong path. All others, such as a full disk or a vanished folder, fail the run.
_WRONG = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}
_WRONG |= {errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EBUSY}


def cache() -> Path:
    """Return the folder for files that can be made again: $GANBARU_CACHE or the platform's own."""
    if named := os.environ.get("GANBARU_CACHE"):
        return Path(named).expanduser()
    import pooch  # 80 ms, and only needed here

    return Path(pooch.os_cache("ganbaru"))


class UnwritableError(InputError):
    """Raised for a path that cannot be written, such as for want of permission."""


# --- writing ----------------------------------------------------------------------------------


@contextlib.contextmanager
def writing(path: Path, fix: str = "choose a folder where you may write") -> Iterator[None]:
    """Turn an OSError while `path` is written into one message with the remedy.

    UnwritableError for a wrong path, RunError for a full disk or a vanished folder.
    """
    try:
        yield
    except OSError as error:
        kind = UnwritableError if error.errno in _WRONG else RunError
        raise kind(
            f"Cannot write {path}: {error.strerror or error}. Free some space, or {fix}; earlier "
            f"files are unchanged."
        ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` at the end, or is removed after a failure."""
    with writing(path), temporary(path.parent) as made:
        yield made
        os.replace(made, path)


@contextlib.contextmanager
def temporary(parent: Path, folder: bool = False) -> Iterator[Path]:
    """Yield a new file (or folder) in `parent`, which is removed at the end if it is still there.

    It is locked until then: one that is not was left by a killed process, and is removed.
    """
    _sweep(parent.absolute())
    path, descriptor = _unpredictable(parent, folder)
    try:
        yield path
    finally:
        remove(path)
        if descriptor is not None:
            os.close(descriptor)


def _unpredictable(parent: Path, folder: bool) -> tuple[Path, int | None]:
    while True:
        path = parent / f".ganbaru-{secrets.token_hex(8)}.tmp"
        if folder:
            path.mkdir()
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        if sys.platform == "win32":  # there an open file can be neither renamed nor removed
            return path, None
        with contextlib.suppress(FileNotFoundError):  # removed by `_sweep` before it was locked
            descriptor = os.open(path, os.O_RDONLY)
            if locked(descriptor) is not False and is_at(path, descriptor):
                return path, descriptor
            os.close(descriptor)


@functools.cache
def _sweep(parent: Path) -> None:
    """Remove what killed processes left in a folder; done once in a process."""
    with contextlib.suppress(OSError):
        for path in [Path(each) for each in os.scandir(parent) if TEMPORARY.fullmatch(each.name)]:
            with contextlib.suppress(OSError), _opened(path) as descriptor:
                lock = None if descriptor is None else locked(descriptor)
                if lock or (lock is None and time.time() - path.stat().st_mtime > ABANDONED):
                    remove(path)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    """Open a file or folder to lock it; None on Windows."""
    if sys.platform == "win32":
        yield None
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file or a folder; it may be gone already."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


# --- locks ------------------------------------------------------------------------------------


def locked(descriptor: int) -> bool | None:
    """Lock an open file for its process's life; None where the file system has no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 2**30, os.SEEK_SET)  # past the text, which others read
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


def is_at(path: Path, descriptor: int) -> bool:
    """Return whether `path` still is an open file, which another process may have removed."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


# --- files that a user names ------------------------------------------------------------------

# How each kind of file that ganbaru writes begins, and its mark near the beginning or the end.
_MARKED = re.compile(
    rb"\x89PNG.*tEXtSoftware\0ganbaru|GIF89a.*!\xfe\x07ganbaru\0|RIFF.*Exif\0.*ganbaru\0|"
    rb"....ftyp.*\0ganbaru|PK\x03\x04.*\x07\x00ganbaru$|\x08.{1,3}\x12\x07ganbaru|"
    rb'.{8}\{"__metadata__":\{"ganbaru":|\{\s+("format": \d+,\s+)?"ganbaru": "|'
    rb"score,value,low,high,p,real_images,|% made by ganbaru\n|"
    rb'<!doctype html>.*<meta name="generator" content="ganbaru">',
    re.DOTALL,
)
_SIGNATURE = b"<!-- written by ganbaru, sha256 "
_ENDS = 4096  # bytes at each end in which the mark is


def signed(text: str) -> str:
    """Return Markdown with its hash in a comment, so that an edited file is not taken for ours."""
    text += "\n\n"
    return f"{text}{_SIGNATURE.decode()}{_sha256(text.encode()).decode()} -->\n"


def is_ours(path: Path) -> bool:
    """Return whether ganbaru wrote a file, by the mark of its kind; an empty one counts too."""
    with path.open("rb") as file:
        head = file.read(_ENDS)
        if head.startswith(b"---\n"):
            text, _, digest = (head + file.read(2**20)).rpartition(_SIGNATURE)
            return digest.startswith(_sha256(text))
        file.seek(max(0, path.stat().st_size - _ENDS))
        return not head or bool(_MARKED.match(head + file.read()))


def output(path: Path, overwrite: bool) -> Path:
    """Return where the file that a user calls `path` is written: there, or at a link's target.

    Raises InputError for a folder or a device, and unless `overwrite` for a file that ganbaru did
    not write, or that is part of a run.
    """
    with writing(path):
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            return target
        if not stat.S_ISREG(mode):
            raise InputError(f"Cannot write {path}: it is no regular file. Give a file's name.")
        run = target.absolute().parent.parent
        of_run = (run / "config.yaml").exists() and (run / "checkpoints").is_dir()
        if not overwrite and (of_run or not is_ours(target)):
            what = "belongs to a run" if of_run else "was not written by ganbaru, or edited since"
            raise InputError(
                f"{path} exists and {what}. Replace it with --overwrite, or choose another name."
            )
    return target


# --- texts, JSON and the cache ----------------------------------------------------------------


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, atomically; bytes of names that are no UTF-8 are escaped."""
    with replacing(path) as made:
        made.write_text(text, encoding="utf-8", errors=ESCAPE)


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
    try:
        with writing(file.parent):
            file.parent.mkdir(parents=True, exist_ok=True)
        for path, data in ((file, content), (digest, _sha256(content))):
            with replacing(path) as made:
                made.write_bytes(data)
    except (InputError, RunError) as error:
        warn(f"{error} Until then it is made again each time.")
    return content


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
