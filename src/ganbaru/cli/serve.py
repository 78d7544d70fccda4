"""The command that serves runs over HTTP."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganbaru.cli import options
from ganbaru.errors import InputError

if TYPE_CHECKING:
    from ganbaru.serve.limits import Limits

NEEDED = ("fastapi", "uvicorn", "httptools")
LEAST_KEY = 16  # letters


def _parser() -> options.Parser:
    parser = options.Parser(
        "serve", "Serve runs: pictures and films over HTTP, a playground, and live pages. A key "
        "that requests must know is read from $GANBARU_KEY, or a file.",
    )  # fmt: skip
    parser.add_argument("runs", type=str, nargs="*", metavar="RUN",
                        help="runs' folders, their names below runs/, or checkpoints; a run may "
                        "still be learning")  # fmt: skip
    parser.add_argument("--host", type=str, default="127.0.0.1",
                        help="where to listen; 0.0.0.0 lets other computers in")  # fmt: skip
    parser.add_argument("--port", type=options.whole("--port"), default=8000, metavar="N",
                        help="0 for a free one")  # fmt: skip
    parser.add_argument("--key-file", type=str, default=None, metavar="FILE",
                        help="a file whose first line is the key")  # fmt: skip
    parser.add_argument("--most-images", type=options.whole("--most-images"), default=256,
                        metavar="N", help="of a request")  # fmt: skip
    parser.add_argument("--queue", type=options.whole("--queue"), default=1024, metavar="N",
                        help="how many images may wait; further requests are turned "
                        "away")  # fmt: skip
    parser.add_argument("--timeout", type=options.whole("--timeout"), default=30, metavar="N",
                        help="seconds after which a request that waits is given up")  # fmt: skip
    return parser


def serve(arguments: Sequence[str]) -> int:
    """Serve runs until a signal ends it; returns the exit code."""
    wanted = _parser().parse(arguments)
    if missing := [name for name in NEEDED if not importlib.util.find_spec(name)]:
        raise InputError(
            f"ganbaru serve needs {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed. Install it with: pip install "
            f"'ganbaru[serve]'."
        )
    if not wanted.runs:
        raise InputError("Say which RUN to serve: a folder, its name below runs/, or a checkpoint.")
    if not 0 <= wanted.port < 2**16:
        raise InputError(f"--port {wanted.port} is out of range: give 0 to {2**16 - 1}.")
    limits = _limits(wanted.most_images, wanted.queue, wanted.timeout)
    key = _key(wanted.key_file)
    from ganbaru.serve import catalog, server
    from ganbaru.serve.service import Service

    return server.serve(Service(catalog.fill(wanted.runs), limits), wanted.host, wanted.port, key)


def _limits(images: int, queue: int, seconds: int) -> Limits:
    from ganbaru.serve.limits import Limits

    for flag, value in (("--most-images", images), ("--queue", queue), ("--timeout", seconds)):
        if not 1 <= value <= 10_000:
            raise InputError(f"{flag} {value} is out of range: give 1 to 10,000.")
    return Limits(images=images, queue=queue, seconds=float(seconds))


def _key(file: str | None) -> str:
    """Return the key of a file or of the environment, "" for none: never one of the command line.

    Other users of the computer can see a command line.
    """
    if file is None:
        key, place = os.environ.get("GANBARU_KEY", ""), "$GANBARU_KEY"
    else:
        place = file
        try:
            key = (Path(file).read_text(encoding="utf-8").splitlines() or [""])[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"Cannot read the key in {file}: {error}.") from error
    if (key or file) and (len(key) < LEAST_KEY or not key.isascii()):
        raise InputError(
            f"The key in {place} will not do: give {LEAST_KEY} letters and digits or more, such as "
            f"those of: python -c 'import secrets; print(secrets.token_urlsafe())'."
        )
    return key
