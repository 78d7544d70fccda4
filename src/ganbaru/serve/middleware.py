"""The gate: who may ask, how large a request may be, and words for what goes wrong behind it."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ganbaru.errors import InputError
from ganbaru.serve.limits import Limits
from ganbaru.serve.responses import ProblemError, Reply, refused

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Post = Callable[[list[str], bytes], Awaitable[Reply]]

LOG = logging.getLogger("uvicorn.error")
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
OPEN = ("/health/live", "/health/ready")  # for whoever watches over the service, without the key


class GoneError(Exception):
    """Who asked has gone."""


class Gate:
    """Lets in what may come in; the rest is told why not.

    POST requests go to `post` once their body is here, all others to `pages`. The detour around the
    pages' framework is for speed: its dispatch takes 150 µs a request, where one small picture
    takes 200 in all.
    """

    def __init__(
        self, pages: Application, post: Post, limits: Limits, key: str, loopback: bool
    ) -> None:
        self.pages, self.post, self.limits = pages, post, limits
        self.key = key.encode()
        self.loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI wants it."""
        if scope["type"] != "http":  # the service's own beginning and end
            await self.pages(scope, receive, send)
            return
        try:
            headers = dict(scope["headers"])
            self._check_host(headers)
            if self.key and scope["path"] not in OPEN:
                self._check_key(headers)
            if scope["method"] != "POST":
                await self._page(scope, receive, send)
                return
            reply = await self._posted(scope, headers, receive)
        except GoneError:
            return
        except ProblemError as problem:
            reply = problem.reply()
        except InputError as error:
            reply = refused(error).reply()
        except Exception:
            LOG.exception("A request failed.")
            reply = failed().reply()
        await answer(send, reply)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.pages(scope, receive, send)
        except Exception:  # which the framework has answered before it passes it on
            LOG.exception("A page failed.")

    async def _posted(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> Reply:
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.limits.body:
            raise self._too_large()
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        body = await self._body(receive)
        # Another site's page may send plain text to this one unasked, but not JSON.
        if kind != b"application/json":
            raise ProblemError(415, "Send JSON, with the header Content-Type: application/json.")
        return await self.post(scope["path"].split("/"), body)

    async def _body(self, receive: Receive) -> bytes:
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.limits.body:
                raise self._too_large()
            more = message.get("more_body", False)
        return b"".join(parts)

    def _too_large(self) -> ProblemError:
        return ProblemError(413, f"A request may have {self.limits.body:,} bytes at most.")

    def _check_host(self, headers: dict[bytes, bytes]) -> None:
        """Refuse names that are not this computer's, while only this computer should ask.

        Any site's own name may be made to lead here, and its pages would then count as ours.
        """
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = host[: host.index("]") + 1] if "]" in host else host.partition(":")[0]
        if self.loopback and name not in LOOPBACK:
            raise ProblemError(
                421, f"This service answers to {' and '.join(LOOPBACK)} only, not to {name!r}."
            )

    def _check_key(self, headers: dict[bytes, bytes]) -> None:
        if not hmac.compare_digest(_given(headers), self.key):
            raise ProblemError(
                401,
                "This service wants its key: send the header Authorization: Bearer KEY, or in a "
                "browser any name with the key as password.",
                {"WWW-Authenticate": 'Basic realm="ganbaru", charset="UTF-8", Bearer'},
            )


def _given(headers: dict[bytes, bytes]) -> bytes:
    """Return the key that a request has, by either scheme; b"" if it has none."""
    scheme, _, text = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"basic":
        try:
            return base64.b64decode(text, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return text.strip() if scheme.lower() == b"bearer" else b""


def failed() -> ProblemError:
    """Build the problem for what is our own mistake."""
    return ProblemError(500, "The service failed at this. Its log tells why.")


async def answer(send: Send, reply: Reply) -> None:
    """Send a whole reply."""
    start = {"type": "http.response.start", "status": reply.status, "headers": reply.raw_headers()}
    await send(start)
    await send({"type": "http.response.body", "body": reply.body})
