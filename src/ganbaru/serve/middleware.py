"""Checks that come before every route: the host, the key, and the size of a body."""

from __future__ import annotations

import hmac
import re

from fastapi.security import HTTPBasic, HTTPBearer
from starlette.authentication import AuthenticationBackend, AuthenticationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ganbaru.serve.problems import ProblemError

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
HOST = re.compile(rb"(localhost|127\.0\.0\.1|\[::1\])(:\d*)?", re.IGNORECASE)
OPEN = ("/health/live", "/health/ready")  # for monitoring, without the key


class LoopbackHosts:
    """Refuses requests whose Host header is no name of this computer, with status 421.

    It stops DNS rebinding: any site may resolve its own name to 127.0.0.1, and its pages would
    then share the service's origin.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass requests for this computer on."""
        hosts = (value for name, value in scope.get("headers", ()) if name == b"host")
        if scope["type"] != "http" or HOST.fullmatch(next(hosts, b"")):
            await self.app(scope, receive, send)
        else:
            detail = f"This service answers only to {', '.join(LOOPBACK)}."
            await ProblemError(421, detail).response()(scope, receive, send)


class Key(AuthenticationBackend):
    """Requires the key: as a bearer token, or as the password of any user in HTTP Basic."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self._bearer, self._basic = HTTPBearer(auto_error=False), HTTPBasic(auto_error=False)

    async def authenticate(self, conn: HTTPConnection) -> None:
        """Raise AuthenticationError for a request without the key."""
        if conn.scope["path"] in OPEN:
            return
        request = Request(conn.scope)
        try:
            token, login = await self._bearer(request), await self._basic(request)
        except HTTPException as error:
            raise AuthenticationError from error
        given = token.credentials if token else login.password if login else ""
        if not hmac.compare_digest(given.encode(), self._key):
            raise AuthenticationError

    @staticmethod
    def refuse(conn: HTTPConnection, error: AuthenticationError) -> Response:
        """Build the response to a request without the key."""
        return ProblemError(
            401,
            "This service needs its key: send the header Authorization: Bearer KEY, or in a "
            "browser any user name with the key as password.",
            {"WWW-Authenticate": 'Basic realm="ganbaru", charset="UTF-8", Bearer'},
        ).response()


class BodyLimit:
    """Refuses bodies of more than `most` bytes, by their stated length or as they arrive."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the bytes of a body while the application receives them."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.most:
                raise self._problem()  # answered by the application's error handlers
            return message

        length = dict(scope["headers"]).get(b"content-length", b"0")
        if int(length) > self.most:
            await self._problem().response()(scope, receive, send)
        else:
            await self.app(scope, limited, send)

    def _problem(self) -> ProblemError:
        return ProblemError(413, f"A request's body may have {self.most:,} bytes at most.")
