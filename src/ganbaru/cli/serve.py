"""The command `ganbaru serve`: runs over HTTP."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

from ganbaru.cli.parser import Parser, whole
from ganbaru.errors import InputError

NEEDED = ("fastapi", "uvicorn", "httptools", "sse_starlette")
MIN_KEY = 16  # characters
_WHOLE = {
    "--port": (8000, "0 for a free one"),
    "--most-images": (256, "images of a request at most"),
    "--queue": (1024, "images that may wait; further requests are refused"),
    "--timeout": (30, "seconds after which a waiting request is given up"),
}


def _parser() -> Parser:
    parser = Parser(
        "serve",
        "Serve runs: images and films over HTTP, a playground, and live pages. Requests need a "
        "key if $GANBARU_KEY or --key-file has one.",
    )
    runs = "runs' folders, their names below runs/, or checkpoints; a run may still be training"
    parser.add_argument("runs", type=str, nargs="*", metavar="RUN", help=runs)
    host = "address to listen on; 0.0.0.0 admits other computers"
    parser.add_argument("--host", type=str, default="127.0.0.1", help=host)
    file = "file whose first line is the key"
    parser.add_argument("--key-file", type=str, default=None, metavar="FILE", help=file)
    for flag, (default, about) in _WHOLE.items():
        parser.add_argument(flag, type=whole(flag), default=default, metavar="N", help=about)
    return parser


def serve(arguments: Sequence[str]) -> int:
    """Serve runs until a signal; returns the exit code."""
    given = _parser().parse_args(list(arguments))
    _check_extra()
    if not given.runs:
        raise InputError("Give a RUN to serve: a folder, its name below runs/, or a checkpoint.")
    if not 0 <= given.port < 2**16:
        raise InputError(f"--port {given.port} is out of range: give 0 to {2**16 - 1}.")
    for name in ("most_images", "queue", "timeout"):
        if not 1 <= (value := getattr(given, name)) <= 10_000:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} {value} is out of range: give 1 to 10,000.")
    key = _key(given.key_file)
    from ganbaru.serve import catalog, server
    from ganbaru.serve.limits import Limits
    from ganbaru.serve.service import Service

    limits = Limits(given.most_images, queue=given.queue, seconds=float(given.timeout))
    return server.serve(Service(catalog.load(given.runs), limits), given.host, given.port, key)


def _check_extra() -> None:
    """Raise InputError if packages of the extra are missing."""
    missing = [name.replace("_", "-") for name in NEEDED if not importlib.util.find_spec(name)]
    if missing:
        *others, last = missing
        names = f"{', '.join(others)} and {last}" if others else last
        raise InputError(
            f"ganbaru serve needs {names}, which {'are' if others else 'is'} not installed. "
            f"Install with: pip install 'ganbaru[serve]'."
        )


def _key(file: str | None) -> str:
    """Return the key in a file or the environment, "" for none.

    There is no flag for the key itself, since other users of the computer see command lines.
    """
    if file is None:
        key, place = os.environ.get("GANBARU_KEY", ""), "$GANBARU_KEY"
    else:
        place = file
        try:
            key = (Path(file).read_text(encoding="utf-8").splitlines() or [""])[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"Cannot read the key in {file}: {error}.") from error
    if (key or file) and (len(key) < MIN_KEY or not key.isascii()):
        raise InputError(
            f"The key in {place} is too short, or not ASCII: give at least {MIN_KEY} letters and "
            f"digits, such as: python -c 'import secrets; print(secrets.token_urlsafe())'."
        )
    return key
