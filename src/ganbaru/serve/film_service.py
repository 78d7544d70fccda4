"""Films on request: latents along a path, images by the batcher, encoding in a thread."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator

import numpy as np
from starlette.responses import Response

from ganbaru.sampling import image_io, video
from ganbaru.sampling.image_io import Images
from ganbaru.serve.image_service import checked_latents
from ganbaru.serve.limits import Limits
from ganbaru.serve.models import Model
from ganbaru.serve.problems import RETRY, ProblemError
from ganbaru.serve.responses import response
from ganbaru.serve.schemas import FilmRequest
from ganbaru.serve.service import Service


async def make(service: Service, model: Model, request: FilmRequest) -> Response:
    """Make the film of a request; raises ProblemError or InputError for a wrong one."""
    _check(request, service.limits)
    kind = video.checked(f".{request.format}", request.fps)
    with service.admission.place(request.frames) as until:
        path, close, bounce = request.path, request.close, request.bounce
        rows, size = request.latents, model.generator.latent
        latents, weights = model.generator.walk(
            path,
            request.seeds,
            request.labels,
            request.frames,
            close=close,
            bounce=bounce,
            latents=None if rows is None else checked_latents(rows, size),
        )
        given = model.weights(None, len(latents)) if weights is None else weights
        frames = await service.batcher.make(model, latents, given.astype(np.float32), until)
        body = await asyncio.get_running_loop().run_in_executor(
            service.encoding, _encoded, kind, frames, request.fps, request.size, until
        )
    return response(body, kind.media_type)


def _check(request: FilmRequest, limits: Limits) -> None:
    """Refuse what is too large before anything is made."""
    for name, most in {"frames": limits.frames, "size": limits.side}.items():
        if (value := getattr(request, name)) > most:
            raise ProblemError(422, f"{name} may be {most} at most, not {value}.")
    if request.seeds and request.latents:
        raise ProblemError(422, "Give one of seeds and latents: both are the points of the film.")
    kind, points = ("latents", request.latents) if request.latents else ("seeds", request.seeds)
    if (count := len(points or ())) > request.frames:
        raise ProblemError(422, f"{count} {kind} do not fit into {request.frames} frames.")


def _encoded(kind: video.Format, frames: Images, fps: float, size: int, until: float) -> bytes:
    assert kind.stream
    stream = io.BytesIO()

    def enlarged() -> Iterator[Images]:
        for frame in frames:
            if time.monotonic() > until:
                detail = "The film took too long: ask for fewer frames or a smaller size."
                raise ProblemError(503, detail, RETRY)
            yield image_io.enlarge(frame, size)

    kind.stream(stream, enlarged(), fps)
    return stream.getvalue()
