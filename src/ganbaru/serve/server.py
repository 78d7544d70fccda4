"""The server: listens on a socket, prints where, and stops by signals."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import ipaddress
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from ganbaru.errors import InputError
from ganbaru.formatting import printable, say
from ganbaru.serve import app, log
from ganbaru.serve.protocol import Protocol
from ganbaru.serve.responses import HEADERS
from ganbaru.serve.service import Service
from ganbaru.training import signals

GRACE = 0.1  # seconds after a signal
BACKLOG = 256  # connections that the kernel holds, and that are accepted in one turn of the loop
RESERVED = BACKLOG + 128  # open files beside those of the connections


def serve(service: Service, host: str, port: int, key: str) -> int:
    """Serve until a signal, finish the accepted requests, and return the exit code.

    Raises InputError if the address cannot be used.
    """
    listening = listen(host, port)
    say(*opening(service, listening, host, key).split("\n"))
    loopback = is_loopback(listening)
    with signals.graceful_stop() as interrupted:
        server = Server(service, app.application(service, key, loopback), interrupted)
        server.run([listening])
    say("Stopped. All accepted requests were answered.")
    return interrupted.exit_code


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises InputError if the address cannot be used."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
        # Inherited by connections. asyncio sets it only for sockets with an explicit protocol, and
        # without it small responses are delayed by 40 ms (Nagle's algorithm).
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(
                f"Port {port} of {host} is in use. Choose another --port, or 0 for a free one."
            ) from error
        raise InputError(
            f"Cannot listen at port {port} of {host}: {error.strerror or error}. Choose a --host "
            f"of this computer (127.0.0.1, or 0.0.0.0 for all its addresses) and a --port that "
            f"you may use."
        ) from error


def connections(most: int) -> int:
    """Return how many connections may be open, of `most`, and permit as many open files.

    Without free files no connection is accepted for a second, and no run's file can be read.
    """
    try:
        import resource
    except ImportError:  # Windows, where files are not limited
        return most
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < most + RESERVED:
        soft = most + RESERVED if hard < 0 else min(most + RESERVED, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return most if soft < 0 else max(1, min(most, soft - RESERVED))


def is_loopback(listening: socket.socket) -> bool:
    """Return whether only this computer can reach a socket."""
    return ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def opening(service: Service, listening: socket.socket, host: str, key: str) -> str:
    """Return the text at the start: the address, the models, and who can connect."""
    number = listening.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    lines = [f"Serving at http://{shown}:{number}/ (Ctrl-C to stop)"]
    for name, served in service.catalog.items():
        about = f"by {served.model.computes}" if served.model else "no checkpoint yet"
        lines.append(f"  {name}: {about}")
    if not is_loopback(listening):
        lines.append(
            "Traffic, the key included, is not encrypted: put a proxy with TLS in front, or use "
            "--host 127.0.0.1."
            if key
            else "Anyone who can reach this address can use the service: set a key with "
            "$GANBARU_KEY or --key-file, or use --host 127.0.0.1."
        )
    return "\n".join(map(printable, lines))


class Server(uvicorn.Server):
    """uvicorn's server, stopped by `interrupted`, which also ends the event streams."""

    def __init__(
        self, service: Service, application: ASGIApp, interrupted: Callable[[], bool]
    ) -> None:
        limits = service.limits
        config = uvicorn.Config(
            application,
            http=functools.partial(Protocol, service),  # type: ignore[arg-type]
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            headers=HEADERS,
            backlog=BACKLOG,
            timeout_graceful_shutdown=round(limits.seconds) + 5,
        )
        super().__init__(config)
        self.service, self.interrupted = service, interrupted
        self.log = log.Bounded()
        for logger in log.LOGGERS:
            logger.addFilter(self.log)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `signals`, as in other commands."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Stop once interrupted."""
        self.should_exit = self.should_exit or self.interrupted()
        self.log.report()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the event streams, and finish other requests.

        For a moment connections are accepted and read, since closing one that has unread bytes
        resets it, and a request may have arrived before the signal.
        """
        self.service.stopping = True
        for connection in self.server_state.connections:
            connection.announce_end()  # type: ignore[union-attr]
        for _ in range(10):  # each reads what has arrived, however long the last one took
            await asyncio.sleep(GRACE / 10)
        await super().shutdown(sockets)
        self.log.report(end=True)
        for logger in log.LOGGERS:
            logger.removeFilter(self.log)
