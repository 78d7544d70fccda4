"""The pages' routes: what browsers open. Nothing here writes, or takes a path from a request."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from ganbaru.callbacks import grid_layout
from ganbaru.errors import InputError
from ganbaru.sampling import image_io
from ganbaru.serve import catalog as shelves
from ganbaru.serve import events, pages, view_model
from ganbaru.serve.catalog import Entry
from ganbaru.serve.models import Model
from ganbaru.serve.responses import OWN, WHOLE, ProblemError, Reply
from ganbaru.serve.schemas import ImageRequest
from ganbaru.serve.service import Service
from ganbaru.serve.translations import Words, preferred

HTML = "text/html; charset=utf-8"


def response(reply: Reply) -> Response:
    """Return a reply as the framework takes it."""
    made = Response(reply.body, reply.status)
    made.raw_headers = reply.raw_headers()
    return made


def language(request: Request) -> Words:
    """Return the words that a browser asks for."""
    return preferred(request.headers.get("accept-language", ""))


def _page(text: str) -> Response:
    return response(Reply(text.encode(), HTML, headers={"Vary": "Accept-Language"}, policy=OWN))


def routes(service: Service) -> APIRouter:
    """Return the pages' routes."""
    router = APIRouter(include_in_schema=False)
    _add_pages(router, service)
    _add_pictures(router, service)
    _add_events(router, service)
    return router


def _add_pages(router: APIRouter, service: Service) -> None:
    static = pages.files()

    @router.get("/")
    async def start(request: Request) -> Response:
        base = str(request.base_url).rstrip("/")
        return _page(await asyncio.to_thread(pages.start, service.shelf, base, language(request)))

    @router.get("/runs/{name}")
    async def run(name: str, request: Request) -> Response:
        entry = shelves.find(service.shelf, name)
        words = language(request)
        return _page(await asyncio.to_thread(pages.run, entry, service.shelf, words))

    @router.get("/models/{name}/play")
    async def train_step(name: str) -> Response:
        entry = shelves.find(service.shelf, name)
        return response(await service.kept(entry, "play", _playground))

    @router.get("/static/{name}")
    async def file(name: str) -> Response:
        if name not in static:
            raise ProblemError(404, f"There is no file {name!r}.")
        content, kind = static[name]
        return response(Reply(content, kind, headers={"Cache-Control": "no-cache"}))


async def _playground(entry: Entry, model: Model) -> Reply:
    from ganbaru.export import page

    try:
        text = await asyncio.to_thread(page.text, model.player, "float16")
    except InputError as error:
        raise ProblemError(501, f"This model has no playground: {error}") from error
    return Reply(text.encode(), HTML, headers={"Cache-Control": "no-cache"}, policy=WHOLE)


def _add_pictures(router: APIRouter, service: Service) -> None:
    @router.get("/runs/{name}/grids/{images}.png")
    async def grid(name: str, images: int, request: Request) -> Response:
        watch = shelves.find(service.shelf, name).watched()
        return await _file(await asyncio.to_thread(watch.grid, images), "image/png", request)

    @router.get("/runs/{name}/timelapse.gif")
    async def film(name: str, request: Request) -> Response:
        watch = shelves.find(service.shelf, name).watched()
        return await _file(watch.folder.timelapse, "image/gif", request)

    @router.get("/runs/{name}/report")
    async def report(name: str, request: Request) -> Response:
        watch = shelves.find(service.shelf, name).watched()
        return await _file(watch.folder.report, HTML, request, policy=WHOLE)

    @router.get("/models/{name}/sample.png")
    async def sample(name: str) -> Response:
        async def make(entry: Entry, model: Model) -> Reply:
            columns = image_io.columns(len(model.generator.classes))
            count = min(grid_layout.ROWS * columns, service.limits.images)
            asked = ImageRequest.model_validate(
                {"count": count, "format": "grid", "columns": columns}
            )
            return await service.maker.images(entry.name, model, asked)

        entry = shelves.find(service.shelf, name)
        return response(await service.kept(entry, "sample", make))


async def _file(path: Path | None, kind: str, request: Request, policy: str = OWN) -> Response:
    """Return a file of a run's folder, or word that the browser's copy is still the same."""
    try:
        content = await asyncio.to_thread(path.read_bytes) if path else None
    except OSError:
        content = None
    if content is None:
        raise ProblemError(404, "The run has no such file yet.")
    mark = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"Cache-Control": "no-cache", "ETag": mark}
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=304, headers=headers)
    return response(Reply(content, kind, headers=headers, policy=policy))


def _add_events(router: APIRouter, service: Service) -> None:
    def follow(entries: dict[str, Entry], tell: events.Tell) -> Response:
        service.check_streams()

        async def counted() -> AsyncIterator[bytes]:
            with service.stream():
                async for event in events.stream(entries, tell, lambda: service.stopping):
                    yield event

        return StreamingResponse(
            counted(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    @router.get("/events")
    async def everything(request: Request) -> Response:
        words = language(request)
        return follow(
            dict(service.shelf), lambda entry: view_model.brief(entry.watched().seen(), words)
        )

    @router.get("/runs/{name}/events")
    async def one(name: str, request: Request) -> Response:
        entry, words = shelves.find(service.shelf, name), language(request)
        entry.watched()
        return follow({name: entry}, lambda entry: view_model.full(entry.watched().seen(), words))
