"""The application: checks of requests, routes, and problem documents for errors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import Response

from ganbaru import __version__
from ganbaru.serve import api, pages, web
from ganbaru.serve.measures import Measured, Measures
from ganbaru.serve.middleware import BodyLimit, Key, LoopbackHosts
from ganbaru.serve.problems import CONVERSIONS, ProblemError
from ganbaru.serve.responses import OWN, response
from ganbaru.serve.service import Service

_ABOUT = """Images and films by trained generators. A seed determines an image: the same one here
and by `ganbaru generate`, alone or in a batch. Errors are problem documents (RFC 9457)."""


def application(service: Service, key: str = "", loopback: bool = True) -> FastAPI:
    """Build the application.

    `key` is required of requests, unless it is ""; `loopback`: only this computer can connect.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        refreshing = asyncio.create_task(service.refresh())
        yield
        refreshing.cancel()
        service.close()

    # FastAPI's documentation pages load scripts from other sites: /docs is our own.
    app = FastAPI(
        title="Ganbaru",
        version=__version__,
        description=_ABOUT,
        routes=[*api.router.routes, *web.router.routes],  # flat: faster than included routers
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service, app.state.measures = service, Measures()
    for kind, convert in CONVERSIONS.items():
        app.add_exception_handler(kind, _handler(convert))
    app.add_middleware(BodyLimit, most=service.limits.body)  # the last one added runs first
    if key:
        app.add_middleware(AuthenticationMiddleware, backend=Key(key), on_error=Key.refuse)
    if loopback:
        app.add_middleware(LoopbackHosts)
    app.add_middleware(Measured, measures=app.state.measures)
    return app


def _handler(
    convert: Callable[[Any, str], ProblemError],
) -> Callable[[Request, Any], Awaitable[Response]]:
    """Return a handler that answers with a problem document, or a page for a browser."""

    async def handle(request: Request, error: Any) -> Response:
        problem = convert(error, request.url.path)
        if "text/html" not in request.headers.get("accept", ""):
            return problem.response()
        page = pages.error(problem.detail, web.reader(request))
        return response(page, web.HTML, problem.status_code, problem.headers, OWN)

    return handle
