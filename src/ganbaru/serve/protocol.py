"""uvicorn's HTTP protocol with deadlines, limits of a request's parts and a check of the host."""

import asyncio
import contextlib
import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ganbaru.serve.problems import ProblemError
from ganbaru.serve.service import Service

LINGER = 1.0  # seconds in which a client may read its refusal, which a reset would discard
LINES = 200  # headers and trailers of a request
WAITING = 100  # requests of a connection; a packet may have 8,000, of 4 kB each once parsed
CHUNKS = 20_000  # of a body: 0.5 µs each


class OnePacket:
    """A transport that sends what is written in one turn of the event loop at once.

    uvicorn writes the head and the body of a response separately: two system calls and packets.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._transport.is_closing():  # asyncio would log it
            return
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def _flush(self) -> None:
        data = b"".join(self._parts)
        self._parts.clear()
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def write_eof(self) -> None:
        self._flush()
        with contextlib.suppress(OSError):  # of a client that reset the connection just before
            self._transport.write_eof()

    def close(self) -> None:
        self._flush()
        self._transport.close()


class WrongError(ValueError):
    """Raised in the parser's callbacks, which turns it into `send_400_response`."""


class Protocol(HttpToolsProtocol):
    """A connection that closes when a request arrives, or a response is read, too slowly."""

    _arriving: asyncio.TimerHandle  # from the first byte of a request to its last
    _unread: asyncio.TimerHandle | None = None  # while the client reads nothing
    _refused: tuple[int, str] | None = None  # the connection's end; what arrives is ignored
    _wrong = (400, "Send valid HTTP/1.1 with one Host header, the host of the address.")
    _running: Any = None  # the request that is being answered; later ones wait in the pipeline
    _keep = True  # whether the client keeps the connection open after the last request

    def __init__(self, service: Service, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.service, self.limits = service, service.limits
        self._new_request()

    def _new_request(self) -> None:
        self._in_head = True
        self._received = self._head = self._lines = self._chunks = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # so that all that is not read has a deadline
        self.transport: Any = OnePacket(transport, self.loop)
        self._await_request()
        if len(self.connections) > self.limits.connections:
            self._refuse(503, f"{self.limits.connections:,} connections are open. Try again later.")
            self.transport.close()

    # --- a request arrives ----------------------------------------------------------------------

    def _await_request(self) -> None:
        self._arriving = self.loop.call_later(self.limits.arriving, self._late)

    def _late(self) -> None:
        if self.flow.read_paused:  # the rest may have arrived, behind an earlier request
            self._await_request()
            return
        detail = f"The request took longer than {self.limits.arriving:g} seconds to arrive."
        self._refuse(408, detail)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._arriving.cancelled():
            self._await_request()
        self._received += len(data)
        super().data_received(data)
        if self._in_head and self._received > self.limits.head:
            self._refuse(*self._large_head())

    def on_message_begin(self) -> None:
        if self._arriving.cancelled():  # behind another request in the same packet
            self._await_request()
        if len(self.pipeline) > WAITING:
            self._wrong = 429, f"At most {WAITING} requests may wait for earlier responses."
            raise WrongError
        super().on_message_begin()

    def _count(self, size: int) -> None:
        self._head, self._lines = self._head + size, self._lines + 1
        if self._head > self.limits.head or self._lines > LINES:
            self._wrong = self._large_head()
            raise WrongError

    def _large_head(self) -> tuple[int, str]:
        return 431, f"The headers exceed {self.limits.head:,} bytes or {LINES} lines."

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        if self._in_head:  # a trailer is no header
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if not _valid(self.url, self.headers, self.parser.should_upgrade()):
            raise WrongError
        earlier = self.cycle
        super().on_headers_complete()
        self._in_head = False
        if earlier and not earlier.response_started:
            earlier.keep_alive = self._keep
        self._keep = self.cycle.keep_alive
        self.cycle.keep_alive &= not (self.service.stopping or self.parser.should_upgrade())

    def on_chunk_header(self) -> None:
        self._chunks += 1
        if self._chunks > CHUNKS:
            self._wrong = 413, f"A request's body may have {CHUNKS:,} chunks at most."
            raise WrongError

    def on_message_complete(self) -> None:
        self._new_request()
        self._arriving.cancel()
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Answer as if no upgrade had been requested, which HTTP allows."""

    # --- a request is refused -------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        self._refuse(*self._wrong)

    def _refuse(self, status: int, detail: str) -> None:
        """End the connection with a problem document, after the responses to earlier requests."""
        if self._refused:
            return
        self._refused, cycle = (status, detail), self.cycle
        if self._in_head:
            waiting = cycle is not None and not cycle.response_complete
        elif waiting := any(cycle is queued for queued, _ in self.pipeline):
            self.pipeline.popleft()
        elif cycle.response_started:
            self.transport.close()
        else:  # the application, which awaits the body, learns that there is none
            cycle.disconnected = True
            cycle.message_event.set()
        if not waiting:
            self._write_refusal()

    def _write_refusal(self) -> None:
        if self._refused is None or self.transport.is_closing():
            return
        problem = ProblemError(*self._refused, {"Connection": "close"}).response()
        headers = [*self.server_state.default_headers, *problem.raw_headers]
        lines = [STATUS_LINE[problem.status_code], *(b"%s: %s\r\n" % each for each in headers)]
        self.transport.write(b"".join([*lines, b"\r\n", bytes(problem.body)]))
        self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(LINGER, self.transport.close)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        last = not self.pipeline
        super().on_response_complete()
        if last:
            self._write_refusal()

    # --- the end --------------------------------------------------------------------------------

    def announce_end(self) -> None:
        """Close after the responses to what has arrived."""
        if self.cycle:
            self.cycle.keep_alive = False

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(self.limits.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        if self._unread:
            self._unread.cancel()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arriving.cancel()
        self.resume_writing()
        super().connection_lost(exc)
        self.pipeline.clear()
        if self._running:  # uvicorn ends only the newest request, and an event stream has no end
            self._running.disconnected = True
            self._running.message_event.set()


def _valid(url: bytes, headers: list[tuple[bytes, bytes]], upgrade: bool) -> bool:
    """Return whether a request names one host and a body whose end is certain.

    The parser takes bodies in other encodings for the content, and drops the body of an upgrade.
    """
    hosts = [value.lower() for name, value in headers if name == b"host"]
    encoded = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    body = encoded or any(name == b"content-length" for name, _ in headers)
    absolute = re.match(rb"https?://([^/?#]*)", url.lower())
    named = hosts if url.startswith(b"/") else [absolute[1]] if absolute else None
    one_end = encoded in ([], [b"chunked"]) and not (upgrade and body)
    return len(hosts) == 1 and named == hosts and one_end
