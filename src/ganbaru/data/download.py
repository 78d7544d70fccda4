"""Folders in which data sets are found, and downloads into one of them."""

from __future__ import annotations

import os
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from ganbaru.data.source import Progress
from ganbaru.errors import InputError, RunError
from ganbaru.files import cache

PIECE = 2**18  # pooch's own 1 KiB pieces would report progress 170,000 times for CIFAR-10
MAX_BYTES = 2**30  # of a download; CIFAR-10, the largest, has 170 MB
MAX_SHARD = 2**36  # of a tar shard; most have 1 GB
TIMEOUT = 30  # seconds without an answer
TRIES, PAUSE = 3, 2.0  # and seconds between them


def downloads() -> Path:
    """Return the folder that named sets are downloaded to, one sub-folder each."""
    return cache() / "downloads"


def data_folders(data_dir: Path | None) -> list[Path]:
    """Return where a named set is searched, in order: `data_dir`, $GANBARU_DATA, downloads."""
    named = [("--data-dir", data_dir), ("$GANBARU_DATA", os.environ.get("GANBARU_DATA"))]
    found = []
    for origin, folder in named:
        if folder:
            found.append(Path(folder).expanduser().absolute())
            if not found[-1].is_dir():
                raise InputError(f"{origin} is {str(folder)!r}, which is not a folder. Correct it.")
    return [*found, downloads()]


def fetch(name: str, url: str, checksum: str, progress: Progress) -> Path:
    """Return the file of the set `name` at `url`, downloaded unless it is there already.

    `checksum` is ALGORITHM:HEX. $GANBARU_MIRROR replaces the server: files are then expected at
    $GANBARU_MIRROR/NAME/FILE. Raises RunError, with the reason, if there is no way to get it.
    """
    import pooch

    file = url.rpartition("/")[2]
    if mirror := os.environ.get("GANBARU_MIRROR"):
        url = f"{mirror.rstrip('/')}/{name}/{file}"
    folder = downloads() / name
    pooch.get_logger().setLevel("WARNING")
    meter = _Meter(progress, f"downloading {file}")

    def downloader(url: str, path: str, manager: object) -> None:
        _download(url, path, MAX_BYTES, progressbar=meter)

    try:
        # Pooch downloads under another name and renames the file once its checksum is right.
        return Path(pooch.retrieve(url, checksum, file, folder, downloader=downloader))
    except (OSError, ValueError) as error:
        raise RunError(
            f"Cannot download {file} of {name} from {url}: {_reason(error, folder)}. Run the "
            f"command again when that is fixed, put the file in {folder} by hand, or give the "
            f"folder that has it with --data-dir."
        ) from error


def file_name(url: str) -> str:
    """Return the name of the file at a URL."""
    return PurePosixPath(urllib.parse.urlsplit(url).path).name[-100:]


def retrieve(url: str, path: Path) -> None:
    """Download a file of unknown content; what may pass (no 404) is tried again TRIES times.

    Raises RunError with the reason.
    """
    for left in reversed(range(TRIES)):
        try:
            _download(url, path, MAX_SHARD)
            return
        except (OSError, ValueError) as error:
            answer = getattr(error, "response", None)
            if not left or (answer is not None and answer.status_code < 500):
                raise RunError(
                    f"Cannot download {url}: {_reason(error, path.parent)}. Go on when that is "
                    f"fixed: files that are complete are not downloaded again."
                ) from error
            time.sleep(PAUSE)


def _download(url: str, path: Path | str, most: int, **options: Any) -> None:
    """Download at most `most` bytes, and close the connection, which pooch leaves to the collector.

    After an error that is late: the response is in a reference cycle with the traceback.
    """
    import pooch

    answers: list[Any] = []
    options |= {"chunk_size": PIECE, "timeout": TIMEOUT}
    http = pooch.HTTPDownloader(**options, hooks={"response": lambda a, **_: answers.append(a)})
    try:
        with open(path, "wb") as file:
            http(url, _Limited(file, most), None)
    finally:
        for answer in answers:
            answer.close()


class _TooLargeError(OSError):
    """A server sends more than any data set has."""


@dataclass
class _Limited:
    """A file that ends a download over `most` bytes, so that a server cannot fill the disk."""

    file: BinaryIO
    most: int
    done: int = 0

    def write(self, data: bytes) -> None:
        """Write; raises an OSError after too many bytes."""
        self.done += len(data)
        if self.done > self.most:
            raise _TooLargeError(f"the server sends more than {self.most:,} bytes")
        self.file.write(data)

    def flush(self) -> None:
        """Pass what was written to the system."""
        self.file.flush()


@dataclass
class _Meter:
    """A progress bar for pooch that reports to a `Progress` function."""

    progress: Progress
    what: str
    total: int = 0
    done: int = 0

    def update(self, size: int) -> None:
        """Count bytes; pooch counts a whole piece even where the last is shorter."""
        self.done = min(self.done + size, self.total)
        self.progress(self.done, self.total, self.what)

    def reset(self) -> None:
        """Start again from 0, as pooch does at the end to correct its rounding."""
        self.done = 0

    def close(self) -> None:
        """Do nothing: the caller closes its own display."""


def _reason(error: OSError | ValueError, folder: Path) -> str:
    from requests import exceptions as of

    if isinstance(error, of.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    reasons: tuple[tuple[type[Exception], str], ...] = (
        (_TooLargeError, str(error)),
        (of.ChunkedEncodingError, "the connection was cut before the end"),
        (of.ContentDecodingError, "the connection was cut before the end"),
        (of.Timeout, f"the server did not answer within {TIMEOUT} seconds"),
        (of.ConnectionError, "there is no connection to the server"),
        (of.RequestException, str(error)),
        (ValueError, "the file received has a wrong checksum and was deleted"),
    )
    unwritable = f"{folder} cannot be written ({error}); set $GANBARU_CACHE to another"
    return next((reason for kind, reason in reasons if isinstance(error, kind)), unwritable)
