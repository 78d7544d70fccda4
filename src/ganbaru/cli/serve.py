"""`ganbaru serve`: runs over HTTP."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ganbaru.cli.parser import Parser, add_trust
from ganbaru.errors import InputError, pip_install, quoted
from ganbaru.formatting import say

NEEDED = ("fastapi", "uvicorn", "httptools", "sse_starlette")
MIN_KEY = 16  # characters


def _parser() -> Parser:
    parser = Parser(
        "serve",
        "Serve runs: images and films over HTTP, a playground, and live pages. Requests need a "
        "key if $GANBARU_KEY or --key-file has one.",
    )
    runs = "runs' folders, their names below runs/, or checkpoints; a run may still be training"
    parser.add_argument("runs", nargs="*", metavar="RUN", help=runs)
    parser.option("--host", "address to listen on; 0.0.0.0 admits other computers", "127.0.0.1")
    parser.option("--key-file", "file whose first line is the key", metavar="FILE")
    parser.option("--port", "0 for a free one", 8000, int, within=(0, 2**16 - 1))
    bounds = (1, 10_000)
    parser.option("--most-images", "images of a request at most", 256, int, within=bounds)
    queue = "images that may wait; further requests are refused"
    parser.option("--queue", queue, 1024, int, within=bounds)
    timeout = "seconds after which a waiting request is given up"
    parser.option("--timeout", timeout, 30, int, within=bounds)
    text = "adds a map of seeds beside real images to the playground: pca, or tsne"
    parser.option("--map", text, metavar="BY")
    add_trust(parser)
    return parser


def serve(arguments: Sequence[str]) -> int:
    """Serve runs until a signal; returns the exit code."""
    given = _parser().parse_args(list(arguments))
    _check_extra()
    if not given.runs:
        raise InputError("Give a RUN to serve: a folder, its name below runs/, or a checkpoint.")
    key = _key(given.key_file)
    from ganbaru import data
    from ganbaru.serve import catalog, server
    from ganbaru.serve.limits import Limits
    from ganbaru.serve.service import Service

    limits = Limits(
        given.most_images,
        queue=given.queue,
        seconds=float(given.timeout),
        connections=server.connections(Limits.connections),
    )
    served = catalog.load(given.runs, given.trust)
    if given.map:
        with data.progress_bar() as progress:
            for each in served.values():
                each.place_seeds(given.map, progress)
    service = Service(served, limits)
    return server.serve(service, given.host, given.port, key)


def _check_extra() -> None:
    """Raise InputError if packages of the extra are missing."""
    missing = [name.replace("_", "-") for name in NEEDED if not importlib.util.find_spec(name)]
    if missing:
        raise InputError(
            f"The service needs packages that are not installed: {', '.join(missing)}. Install "
            f"them with: {pip_install('ganbaru[serve]')}"
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
            f"digits, such as: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    if file and os.name == "posix" and Path(file).stat().st_mode & 0o066:
        say(
            f"ganbaru: other users of this computer may read or change {file}. Protect it: "
            f"chmod 600 {quoted(file)}",
            file=sys.stderr,
        )
    return key
