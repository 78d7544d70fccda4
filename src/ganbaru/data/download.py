"""Downloading a published file once, complete and checked."""

from __future__ import annotations

import os
from pathlib import Path

from ganbaru.data.locations import downloads
from ganbaru.data.source import Progress
from ganbaru.errors import RunError

PIECE = 2**18  # pooch's own 1 KiB pieces would report progress 170,000 times for CIFAR-10
TIMEOUT = 30  # seconds without an answer


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
    downloader = pooch.HTTPDownloader(progressbar=meter, chunk_size=PIECE, timeout=TIMEOUT)
    try:
        # Pooch downloads under another name and renames the file once its checksum is right.
        return Path(pooch.retrieve(url, checksum, file, folder, downloader=downloader))
    except (OSError, ValueError) as error:
        raise RunError(
            f"Cannot download {file} of {name} from {url}: {_reason(error, folder)}. Run the "
            f"command again when that is fixed, put the file in {folder} by hand, or give the "
            f"folder that has it with --data-dir."
        ) from error


class _Meter:
    """A progress bar for pooch that reports to a `Progress` function."""

    def __init__(self, progress: Progress, what: str) -> None:
        self.total = 0
        self._done = 0
        self._progress = progress
        self._what = what

    def update(self, size: int) -> None:
        """Count bytes; pooch counts a whole piece even where the last is shorter."""
        self._done = min(self._done + size, self.total)
        self._progress(self._done, self.total, self._what)

    def reset(self) -> None:
        """Start again from 0, as pooch does at the end to correct its rounding."""
        self._done = 0

    def close(self) -> None:
        """Do nothing: the caller closes its own display."""


def _reason(error: OSError | ValueError, folder: Path) -> str:
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, (exceptions.ChunkedEncodingError, exceptions.ContentDecodingError)):
        return "the connection was cut before the end"
    if isinstance(error, exceptions.Timeout):
        return f"the server did not answer within {TIMEOUT} seconds"
    if isinstance(error, exceptions.ConnectionError):
        return "there is no connection to the server"
    if isinstance(error, exceptions.RequestException):
        return str(error)
    if isinstance(error, ValueError):
        return "the file received has a wrong checksum and was deleted"
    return f"{folder} cannot be written ({error.strerror}); set $GANBARU_CACHE to another"
