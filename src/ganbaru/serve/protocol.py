"""HTTP as uvicorn speaks it, with clocks: no slow sender and no slow reader stays for ever."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ganbaru.serve.limits import Limits
from ganbaru.serve.responses import HEADERS, ProblemError


class Joined:
    """A transport that sends together what is written in one turn of the event loop.

    uvicorn writes an answer's headers and its body apart, and each write is a call to the system,
    which takes 20 µs, and another piece for the client to read.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> None:
        """Send at the end of this turn."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(part)

    def close(self) -> None:
        """Send what is there, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            self._transport.write(b"".join(self._parts))
            self._parts = []

    def __getattr__(self, name: str) -> Any:
        """Pass all else on."""
        return getattr(self._transport, name)


class Protocol(HttpToolsProtocol):
    """A connection whose requests must arrive, and whose answers must be taken, in time."""

    def __init__(self, limits: Limits, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.limits = limits
        self._begun: float | None = None  # when the request that is arriving began to
        self._clock: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._head = 0  # bytes of a request up to the end of its headers
        self._heading = True  # whether these are still arriving

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(Joined(transport, self.loop))  # type: ignore[arg-type]
        self._expect()

    # --- from slow senders

    def data_received(self, data: bytes) -> None:
        """Take some of a request; its time runs from its first byte."""
        if self._begun is None:
            self._expect()
        self._head += len(data)
        super().data_received(data)
        if self._heading and self._head > self.limits.head:
            self._refuse(431, f"A request's headers may have {self.limits.head:,} bytes at most.")

    def on_headers_complete(self) -> None:
        """Stop counting: a body has a limit of its own."""
        self._heading = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the time, and begin to count anew."""
        self._head, self._heading, self._begun = 0, True, None
        super().on_message_complete()

    def _expect(self) -> None:
        self._begun = self.loop.time()
        # A clock for each request would be set and stopped thousands of times a second: one that
        # is there already looks again when it has run.
        if self._clock is None:
            self._clock = self.loop.call_later(self.limits.arriving, self._look)

    def _look(self) -> None:
        self._clock = None
        if self._begun is None:
            return
        left = self._begun + self.limits.arriving - self.loop.time()
        if left > 0:
            self._clock = self.loop.call_later(left, self._look)
            return
        seconds = f"{self.limits.arriving:g} seconds"
        self._refuse(408, f"The request took longer than {seconds} to arrive. Send it at once.")

    def _refuse(self, status: int, why: str) -> None:
        """Answer without the application, unless it has begun to, and close."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            reply = ProblemError(status, why).reply()
            own = [(name.encode(), text.encode()) for name, text in HEADERS]
            lines = [b"%s: %s\r\n" % pair for pair in (*own, *reply.raw_headers())]
            head = STATUS_LINE[status] + b"".join(lines) + b"connection: close\r\n\r\n"
            self.transport.write(head + reply.body)
        self.transport.close()

    # --- from slow readers

    def pause_writing(self) -> None:
        """Give up if what waits to be taken is still there after a while."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.limits.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        self._stop_unread()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all clocks."""
        if self._clock:
            self._clock.cancel()
        self._stop_unread()
        super().connection_lost(exc)

    def _stop_unread(self) -> None:
        if self._unread:
            self._unread.cancel()
            self._unread = None


def protocol(limits: Limits) -> Any:
    """Return what makes a connection, with limits."""
    return functools.partial(Protocol, limits)
