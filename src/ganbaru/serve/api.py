"""The routes for programs, and their descriptions in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from ganbaru.serve import (
    bodies,
    catalog,
    film_service,
    image_service,
    measures,
    projection_service,
    schemas,
)
from ganbaru.serve.catalog import ServedModel
from ganbaru.serve.problems import PROBLEM
from ganbaru.serve.responses import json_response, response
from ganbaru.serve.service import Service

router = APIRouter(route_class=bodies.Route)

_REASONS = {
    401: "the key is missing or wrong",
    404: "unknown model",
    408: "the request took too long to arrive",
    413: "the request's body is too large",
    415: "the request's body is not JSON",
    421: "the Host header is not a name of this computer",
    422: "the request cannot be fulfilled",
    429: "the queue is full; Retry-After says when to try again",
    503: "not ready, or too late; Retry-After says when to try again",
}
Responses = dict[int | str, dict[str, Any]]


def _problems(*statuses: int) -> Responses:
    schema = schemas.Problem.model_json_schema()
    return {
        status: {"description": _REASONS[status], "content": {PROBLEM: {"schema": schema}}}
        for status in statuses
    }


def _made(description: str, *kinds: str, **more: Any) -> Responses:
    binary = {"schema": {"type": "string", "format": "binary"}}
    made = {"description": description, "content": dict.fromkeys(kinds, binary), **more}
    return {200: made, **_problems(401, 404, 408, 413, 415, 421, 422, 429, 503)}


# The two are called by routes: as dependencies of FastAPI they would double a request's time.


def serving(request: Request) -> Service:
    """Return the service that a request was sent to."""
    service: Service = request.app.state.service
    return service


def find(request: Request, name: str) -> ServedModel:
    """Return a served model; raises ProblemError for an unknown name."""
    return catalog.find(serving(request).catalog, name)


# --- images and films ---------------------------------------------------------------------------


@router.post(
    "/api/models/{name}/images",
    operation_id="images",
    tags=["make"],
    response_class=Response,
    responses=_made(
        "the images, in the requested format",
        "image/png",
        "application/zip",
        model=schemas.EncodedImages,
    ),
)
async def make_images(name: str, body: schemas.ImageRequest, request: Request) -> Response:
    """Make images of seeds or of given latents; by default the image of seed 0."""
    return await image_service.make(serving(request), name, find(request, name).ready(), body)


@router.post(
    "/api/models/{name}/morphs",
    operation_id="morphs",
    tags=["make"],
    response_class=Response,
    responses=_made("the film", "image/gif", "image/apng", "image/webp", "video/mp4"),
)
async def make_morphs(name: str, body: schemas.FilmRequest, request: Request) -> Response:
    """Make a film that interpolates between images."""
    return await film_service.make(serving(request), find(request, name).ready(), body)


@router.post(
    "/api/models/{name}/projections",
    operation_id="projections",
    tags=["make"],
    response_model=schemas.Projection,
    responses=_problems(401, 404, 408, 413, 415, 421, 422, 429, 503),
)
async def make_projections(
    name: str, body: schemas.ProjectionRequest, request: Request
) -> Response:
    """Find the latent whose image is nearest to a picture, which is not kept."""
    return await projection_service.make(serving(request), name, find(request, name).ready(), body)


# --- models -------------------------------------------------------------------------------------


def _card(served: ServedModel) -> dict[str, Any]:
    links = {what: f"/api/models/{served.name}/{what}" for what in schemas.BODIES}
    links["play"] = f"/models/{served.name}/play"
    if served.watcher:
        links["run"] = f"/runs/{served.name}"
    about = served.model.card() if served.model else {}
    if served.problem:
        about["problem"] = "The newest checkpoint cannot be loaded: see the service's log."
    return {"name": served.name, "state": _state(served), "links": links, **about}


def _state(served: ServedModel) -> str:
    return "ready" if served.model else "waiting"


@router.get(
    "/api/models", response_model=schemas.Models, responses=_problems(401, 421), tags=["models"]
)
async def models(request: Request) -> Response:
    """List the models that are served, with their cards."""
    return json_response({"models": list(map(_card, serving(request).catalog.values()))})


@router.get(
    "/api/models/{name}",
    response_model=schemas.Card,
    responses=_problems(401, 404, 421),
    tags=["models"],
)
async def model(name: str, request: Request) -> Response:
    """Describe a model: its image size, classes, latent size and origin."""
    return json_response(_card(find(request, name)))


# --- health -------------------------------------------------------------------------------------


@router.get(
    "/health/live", response_model=schemas.Health, responses=_problems(421), tags=["health"]
)
async def live() -> Response:
    """Report that the service responds."""
    return json_response({"status": "alive"})


@router.get(
    "/health/ready",
    response_model=schemas.Health,
    responses={**_problems(421), 503: {"description": "stopping", "model": schemas.Health}},
    tags=["health"],
)
async def ready(request: Request) -> Response:
    """Report whether new requests are accepted, and which models have a checkpoint."""
    service = serving(request)
    states = {name: _state(served) for name, served in service.catalog.items()}
    status = "stopping" if service.stopping else "ready"
    return json_response({"status": status, "models": states}, 503 if service.stopping else 200)


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"description": "the numbers"}, **_problems(401, 421)},
    tags=["health"],
)
async def metrics(request: Request) -> Response:
    """Return requests by status and time, and the queue's length, in Prometheus' text format."""
    text = request.app.state.measures.text(serving(request))
    return response(text, measures.MEDIA_TYPE)
