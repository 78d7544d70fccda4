"""The application: routes, words for what goes wrong, and the gate before it all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ganbaru import __version__
from ganbaru.errors import InputError
from ganbaru.serve import api, pages, web
from ganbaru.serve.middleware import Gate, failed
from ganbaru.serve.responses import OWN, ProblemError, Reply, refused
from ganbaru.serve.routes_post import Posts
from ganbaru.serve.service import Service

_ABOUT = """Images and films by trained generators. A seed is a picture: the same one here, by
`ganbaru generate`, alone or among others. Refusals are problem documents (RFC 9457)."""


def application(service: Service, key: str = "", loopback: bool = True) -> Gate:
    """Return the application, as ASGI takes it.

    `key` is what requests must know, "" for none; `loopback` says that only this computer asks.
    """
    posts = Posts(service.shelf, api.kinds(service))

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        refreshing = asyncio.create_task(service.refreshing())
        yield
        refreshing.cancel()
        service.close()

    # No documentation pages: the usual ones load their scripts from elsewhere.
    app = FastAPI(
        title="Ganbaru", version=__version__, description=_ABOUT, lifespan=lifespan,
        docs_url=None, redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.include_router(api.routes(service, posts))
    app.include_router(web.routes(service))
    _add_problems(app)
    return Gate(app, posts, service.limits, key, loopback)


def _add_problems(app: FastAPI) -> None:
    async def problem(request: Request, error: Any) -> Response:
        found = _problem(error)
        if "text/html" not in request.headers.get("accept", ""):
            return web.response(found.reply())
        text = pages.absent(found.detail, web.language(request))
        headers = found.headers
        return web.response(Reply(text.encode(), web.HTML, found.status, headers, policy=OWN))

    for kind in (ProblemError, InputError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, problem)


def _problem(error: Exception) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, InputError):
        return refused(error)
    if isinstance(error, HTTPException):
        return ProblemError(error.status_code, f"{error.detail}.", error.headers)
    if isinstance(error, RequestValidationError):
        return ProblemError(404, "There is nothing at this address.")
    return failed()
