"""The service on a socket: where it listens, what it says, and how it ends."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Callable, Iterator

import uvicorn

from ganbaru.errors import InputError
from ganbaru.serve import app, protocol
from ganbaru.serve.middleware import Gate
from ganbaru.serve.responses import HEADERS
from ganbaru.serve.service import Service
from ganbaru.training import signals


def serve(service: Service, host: str, port: int, key: str) -> int:
    """Serve until a signal asks to stop, finish what was accepted, and return the exit code.

    Raises InputError where it cannot listen.
    """
    listening = listen(host, port)
    print(opening(service, listening, host, key), flush=True)
    loopback = is_loopback(listening)
    with signals.graceful_stop() as interrupted:
        server = Server(service, app.application(service, key, loopback), interrupted)
        server.run([listening])
    print("Stopped: all that was accepted has been answered.")
    return interrupted.exit_code


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raises InputError, saying why, where that cannot be."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=1024)
        # Connections inherit it. asyncio sets it for sockets that say they are TCP, which these do
        # not; without it the system holds small answers back for 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(
                f"Port {port} of {host} is in use already. Take another --port, or 0 for a free "
                f"one."
            ) from error
        raise InputError(
            f"Cannot listen at port {port} of {host}: {error.strerror or error}. Give a --host "
            f"that is this computer's (127.0.0.1, or 0.0.0.0 for all its addresses) and a --port "
            f"that you may use."
        ) from error


def is_loopback(listening: socket.socket) -> bool:
    """Say whether only this computer can reach a socket."""
    return ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def opening(service: Service, listening: socket.socket, host: str, key: str) -> str:
    """Return what is said at the start: where it is, what it serves, and who can reach it."""
    number = listening.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    lines = [f"Serving at http://{shown}:{number}/ (Ctrl-C ends it)"]
    for name, entry in service.shelf.items():
        about = f"by {entry.model.computes}" if entry.model else "no checkpoint yet"
        lines.append(f"  {name}: {about}")
    if not is_loopback(listening):
        lines.append(
            "The key and all else pass the network as they are, for anybody to read: put a proxy "
            "with TLS before this, or stay with --host 127.0.0.1."
            if key
            else "Whoever reaches this address can use it: set a key, by $GANBARU_KEY or "
            "--key-file, or stay with --host 127.0.0.1."
        )
    return "\n".join(lines)


class Server(uvicorn.Server):
    """A server that ends by our own signals, and tells the service as soon as it is to end."""

    def __init__(self, service: Service, application: Gate, asked: Callable[[], bool]) -> None:
        limits = service.limits
        config = uvicorn.Config(
            application, http=protocol.protocol(limits), ws="none", lifespan="on",
            log_level="warning", access_log=False, server_header=False, proxy_headers=False,
            headers=HEADERS, limit_concurrency=limits.connections,
            timeout_graceful_shutdown=round(limits.seconds) + 5,
        )  # fmt: skip
        super().__init__(config)
        self.service, self.asked = service, asked

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `interrupt`, which other commands end by as well."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """End when asked to."""
        self.should_exit = self.should_exit or self.asked()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let pages that follow runs go, and finish the rest."""
        self.service.stopping = True
        await super().shutdown(sockets)
