"""uvicorn's HTTP protocol with deadlines, a limit of the head's size and a check of the host."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ganbaru.serve.limits import Limits
from ganbaru.serve.problems import ProblemError


class Protocol(HttpToolsProtocol):
    """A connection that closes when a request arrives, or a response is read, too slowly."""

    _arriving: asyncio.TimerHandle  # from the first byte of a request to its last
    _unread: asyncio.TimerHandle | None = None  # while the client reads nothing

    def __init__(self, limits: Limits, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.limits = limits
        self._head, self._in_head = 0, True  # bytes received before the end of the headers

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_request()

    def _await_request(self) -> None:
        seconds = self.limits.arriving
        detail = f"The request took longer than {seconds:g} seconds to arrive."
        self._arriving = self.loop.call_later(seconds, self._refuse, 408, detail)

    def data_received(self, data: bytes) -> None:
        if self._arriving.cancelled():
            self._await_request()
        self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > self.limits.head:
            self._refuse(431, f"The headers exceed {self.limits.head:,} bytes.")

    def on_headers_complete(self) -> None:
        self._in_head = False
        hosts = [value for name, value in self.headers if name == b"host"]
        named = hosts if self.url.startswith(b"/") else self.url.split(b"/")[2:3]
        if len(hosts) != 1 or named != hosts:
            raise ValueError("wrong Host")  # answered by send_400_response
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head, self._in_head = 0, True
        self._arriving.cancel()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "Send valid HTTP with one Host header, the host of the address.")

    def _refuse(self, status: int, detail: str) -> None:
        """Close, with a problem document unless the application has begun its response."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            problem = ProblemError(status, detail, {"Connection": "close"}).response()
            headers = [*self.server_state.default_headers, *problem.raw_headers]
            lines = [STATUS_LINE[status], *(b"%s: %s\r\n" % pair for pair in headers), b"\r\n"]
            self.transport.write(b"".join([*lines, bytes(problem.body)]))
        self.transport.close()

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
