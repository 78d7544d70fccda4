"""The routes for programs, with what the OpenAPI says of them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ganbaru.serve import catalog as shelves
from ganbaru.serve.catalog import Entry
from ganbaru.serve.responses import PROBLEM, as_json
from ganbaru.serve.routes_post import Post, Posts
from ganbaru.serve.schemas import Card, FilmAsked, Health, ImageRequest, ImagesMade, Models, Problem
from ganbaru.serve.service import Service
from ganbaru.serve.web import response

_WHY = {
    401: "the key is missing or wrong",
    404: "there is no such model",
    408: "the request took too long to arrive",
    413: "the request is too large",
    415: "the request is not JSON",
    421: "asked by a name that is not this computer's",
    422: "what is asked for cannot be made",
    429: "too much is waiting; Retry-After says when to ask again",
    503: "not ready, or too late; Retry-After says when to ask again",
}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    schema = Problem.model_json_schema()
    return {
        status: {"description": _WHY[status], "content": {PROBLEM: {"schema": schema}}}
        for status in statuses
    }


def _binary(*kinds: str) -> dict[str, Any]:
    return {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}


_POSTED = _problems(401, 404, 408, 413, 415, 421, 422, 429, 503)
_MADE: dict[str, dict[int | str, dict[str, Any]]] = {
    "images": {
        200: {
            "description": "the images, in the format that was asked for",
            "content": {
                **_binary("image/png", "application/zip"),
                "application/json": {"schema": ImagesMade.model_json_schema()},
            },
        }
    },
    "morphs": {
        200: {
            "description": "the film",
            "content": _binary("image/gif", "image/apng", "image/webp", "video/mp4"),
        }
    },
}


def kinds(service: Service) -> dict[str, Post]:
    """Return what may be posted to a model."""
    return {
        "images": Post(ImageRequest, service.maker.images),
        "morphs": Post(FilmAsked, service.films.film),
    }


def routes(service: Service, posts: Posts) -> APIRouter:
    """Return the routes for programs."""
    router = APIRouter()
    _add_cards(router, service)
    _add_health(router, service)
    for name, kind in posts.kinds.items():
        _add_post(router, posts, name, kind)
    return router


def _add_post(router: APIRouter, posts: Posts, what: str, kind: Post) -> None:
    # The gate takes these before they come here; this way they are in the OpenAPI as well.
    async def post(name: str, request: Request) -> Response:
        return response(await posts(["", "api", "models", name, what], await request.body()))

    schema = kind.asked.model_json_schema()
    router.add_api_route(
        f"/api/models/{{name}}/{what}", post, methods=["POST"],
        summary=f"Make {what}", description=kind.asked.__doc__, operation_id=what,
        responses={**_MADE[what], **_POSTED}, response_class=Response, tags=["make"],
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}
        },
    )  # fmt: skip


def _card(entry: Entry) -> dict[str, Any]:
    links = {what: f"/api/models/{entry.name}/{what}" for what in ("images", "morphs")}
    links["play"] = f"/models/{entry.name}/play"
    if entry.watch:
        links["run"] = f"/runs/{entry.name}"
    about = entry.model.card() if entry.model else {}
    state = "ready" if entry.model else "waiting"
    return {"name": entry.name, "state": state, "links": links, **about}


def _add_cards(router: APIRouter, service: Service) -> None:
    @router.get(
        "/api/models", response_model=Models, responses=_problems(401, 421), tags=["models"]
    )
    async def models() -> Response:
        """List the models that are served, with their cards."""
        return response(as_json({"models": list(map(_card, service.shelf.values()))}))

    @router.get(
        "/api/models/{name}", response_model=Card, responses=_problems(401, 404, 421),
        tags=["models"],
    )  # fmt: skip
    async def model(name: str) -> Response:
        """Tell what a model makes, of what size and classes, and where it comes from."""
        return response(as_json(_card(shelves.find(service.shelf, name))))


def _add_health(router: APIRouter, service: Service) -> None:
    @router.get("/health/live", response_model=Health, responses=_problems(421), tags=["health"])
    async def live() -> Response:
        """Say that the service answers at all."""
        return response(as_json({"status": "alive"}))

    ill: dict[int | str, dict[str, Any]] = {503: {"description": "it is stopping", "model": Health}}

    @router.get("/health/ready", response_model=Health, responses={**_problems(421), **ill},
                tags=["health"])  # fmt: skip
    async def ready() -> Response:
        """Say whether new requests are taken, and which models have a checkpoint."""
        states = {name: "ready" if entry.model else "waiting"
                  for name, entry in service.shelf.items()}  # fmt: skip
        if service.stopping:
            return response(as_json({"status": "stopping", "models": states}, status=503))
        return response(as_json({"status": "ready", "models": states}))
