"""The server: listens on a socket, prints where, and stops by signals."""

from __future__ import annotations

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
from ganbaru.serve import app
from ganbaru.serve.protocol import Protocol
from ganbaru.serve.responses import HEADERS
from ganbaru.serve.service import Service
from ganbaru.training import signals


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
        listening = socket.create_server((host, port), family=family, backlog=1024)
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
            http=functools.partial(Protocol, limits),  # type: ignore[arg-type]
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            headers=HEADERS,
            limit_concurrency=limits.connections,
            timeout_graceful_shutdown=round(limits.seconds) + 5,
        )
        super().__init__(config)
        self.service, self.interrupted = service, interrupted

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `signals`, as in other commands."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Stop once interrupted."""
        self.should_exit = self.should_exit or self.interrupted()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the event streams, and finish other requests."""
        self.service.stopping = True
        await super().shutdown(sockets)
