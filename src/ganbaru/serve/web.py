"""The routes for browsers: pages, and the files of runs that they show, all read only."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from ganbaru.callbacks import grid_layout
from ganbaru.errors import InputError
from ganbaru.export import page as playground
from ganbaru.report import credits, frame
from ganbaru.report.translations import TRANSLATIONS, Reader, both, preferred
from ganbaru.sampling import directions, image_io
from ganbaru.serve import events, image_service, log, pages, view_model
from ganbaru.serve.api import find, serving
from ganbaru.serve.catalog import ServedModel
from ganbaru.serve.models import Model
from ganbaru.serve.problems import ProblemError
from ganbaru.serve.responses import OWN, WHOLE, response
from ganbaru.serve.schemas import ImageRequest

router = APIRouter(include_in_schema=False)

HTML = "text/html; charset=utf-8"
REVALIDATE = {"Cache-Control": "no-cache"}
CHOICES = "Accept-Language, Cookie"  # what pages depend on
STATIC = pages.static_files()


def reader(request: Request) -> Reader:
    """Return what the switches of the pages were set to, else what the browser prefers."""
    chosen = {name: request.cookies.get(f"ganbaru-{name}", "") for name in ("language", "theme")}
    text = TRANSLATIONS.get(chosen["language"])
    theme = chosen["theme"] if chosen["theme"] in frame.THEMES else "auto"
    return Reader(text or preferred(request.headers.get("accept-language", "")), theme)


def _page(text: str) -> Response:
    return response(text, HTML, headers={"Vary": CHOICES}, policy=OWN)


# --- pages --------------------------------------------------------------------------------------


@router.get("/")
async def start(request: Request) -> Response:
    """Show all runs and models."""
    base = str(request.base_url).rstrip("/")
    return _page(
        await asyncio.to_thread(pages.start, serving(request).catalog, base, reader(request))
    )


@router.get("/runs/{name}")
async def run(name: str, request: Request) -> Response:
    """Show a run."""
    served, catalog = find(request, name), serving(request).catalog
    return _page(await asyncio.to_thread(pages.run, served, catalog, reader(request)))


@router.get("/models/{name}/play")
async def play(name: str, request: Request) -> Response:
    """Show the playground of a model."""
    served = find(request, name)
    back = (f"/runs/{name}", name) if served.watcher else ("/", both("back"))

    async def made(name: str, model: Model) -> Response:
        return await _playground(served, model, back)

    stamp = await asyncio.to_thread(_directions_time, served.ready())
    return await serving(request).cached(served, "play", made, stamp)


def _directions_time(model: Model) -> float:
    """Return when a run's directions were written, 0 without any."""
    try:
        return directions.place(model.player).stat().st_mtime
    except OSError:
        return 0


def _directions(name: str, model: Model) -> directions.Directions:
    """Return a run's directions; of a file that does not fit none, and the log has the cause."""
    try:
        return directions.of(model.player)
    except InputError as error:
        log.problem(f"{name}'s directions", error)
        return {}


async def _playground(served: ServedModel, model: Model, back: tuple[str, str]) -> Response:
    name = served.name
    try:
        found = credits.of_checkpoint(model.player.path)
        found = dataclasses.replace(found, title=found.title or name)
        header = frame.header(back=back, home="/")
        text = await asyncio.to_thread(
            playground.text,
            model.player,
            credits=found,
            header=header,
            directions=await asyncio.to_thread(_directions, name, model),
            seed_map=served.seed_map(model),
            projections=f"/api/models/{name}/projections",
        )
    except InputError as error:
        raise ProblemError(501, f"This model has no playground: {error}") from error
    return response(text, HTML, headers=REVALIDATE, policy=WHOLE)


@router.get("/docs")
async def documentation(request: Request) -> Response:
    """Describe the API: the OpenAPI document as a page."""
    base = str(request.base_url).rstrip("/")
    catalog, document = serving(request).catalog, request.app.openapi()
    return _page(pages.documentation(document, catalog, base, reader(request)))


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """Return a style sheet, script or icon of the pages."""
    if name not in STATIC:
        raise ProblemError(404, f"There is no file {name!r}.")
    return response(*STATIC[name], headers=REVALIDATE)


# --- images -------------------------------------------------------------------------------------


@router.get("/runs/{name}/grids/{images}.png")
async def grid(name: str, images: int, request: Request) -> Response:
    """Return the sample grid of a run after `images` images."""
    path = await asyncio.to_thread(find(request, name).watched().grid, images)
    return await _file(path, "image/png", request)


@router.get("/runs/{name}/timelapse.gif")
async def timelapse(name: str, request: Request) -> Response:
    """Return the time-lapse of a run."""
    return await _file(find(request, name).watched().folder.timelapse, "image/gif", request)


@router.get("/runs/{name}/report")
async def report(name: str, request: Request) -> Response:
    """Return the report of a run."""
    of, back = reader(request), (f"/runs/{name}", name)

    def framed(page: bytes) -> bytes:
        text = page.decode(errors="replace")
        return frame.served(text, of.text["language"], of.theme, back).encode()

    path = find(request, name).watched().folder.report
    return await _file(path, HTML, request, WHOLE, framed)


async def _file(
    path: Path | None,
    kind: str,
    request: Request,
    policy: str = OWN,
    change: Callable[[bytes], bytes] = bytes,
) -> Response:
    """Return a file of a run's folder, or status 304 if the browser has it."""
    try:
        content = change(await asyncio.to_thread(path.read_bytes)) if path else None
    except OSError:
        content = None
    if content is None:
        raise ProblemError(404, "The run has no such file yet.")
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**REVALIDATE, "ETag": tag, "Vary": CHOICES}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return response(content, kind, headers=headers, policy=policy)


@router.get("/models/{name}/sample.png")
async def sample(name: str, request: Request) -> Response:
    """Return a grid of a model's images: those of seeds from 0."""
    service = serving(request)

    async def render(name: str, model: Model) -> Response:
        columns = image_io.columns(len(model.generator.classes))
        count = min(grid_layout.ROWS * columns, service.limits.images)
        fields = {"count": count, "format": "grid", "columns": columns}
        request = ImageRequest.model_validate(fields)
        return await image_service.make(service, name, model, request)

    return await service.cached(find(request, name), "sample", render)


# --- events -------------------------------------------------------------------------------------


@router.get("/events")
async def follow_all(request: Request) -> Response:
    """Stream the state of all runs."""
    service, text = serving(request), reader(request).text
    return events.follow(service, service.catalog, lambda status: view_model.brief(status, text))


@router.get("/runs/{name}/events")
async def follow(name: str, request: Request) -> Response:
    """Stream the state of a run, with its curves."""
    served, text = find(request, name), reader(request).text
    served.watched()
    one = {name: served}
    return events.follow(serving(request), one, lambda status: view_model.full(status, text))
