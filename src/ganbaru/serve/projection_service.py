"""Projections on request: the latent of an uploaded picture, searched by one thread, in bounds."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from ganbaru.data.source import Images
from ganbaru.latents import pictures, projected, projection
from ganbaru.sampling import png
from ganbaru.sampling.generators import Generator
from ganbaru.sampling.labels import Inputs
from ganbaru.serve.models import Model
from ganbaru.serve.problems import RETRY, ProblemError
from ganbaru.serve.responses import json_response
from ganbaru.serve.schemas import ProjectionRequest
from ganbaru.serve.service import Service

# Of the thread's processor time for a picture: a search ends with the best latent so far, and one
# that has none yet is given up.
SECONDS, MOST = 8.0, 10.0


@dataclass(frozen=True)
class _Bounded(Generator):
    """A generator that stops at a moment (monotonic), or when the thread has computed so long."""

    until: float = 0.0
    busy: float = 0.0
    left: float = 0.0  # seconds before `until` from which on it is enough

    def enough(self) -> bool:
        """Return whether a search should end with what it has."""
        early = (time.monotonic() + self.left, time.thread_time() + MOST - SECONDS)
        return early[0] > self.until or early[1] > self.busy

    def floats(
        self, latents: NDArray[np.floating], labels: NDArray[np.generic] | None = None
    ) -> NDArray[np.floating]:
        """Return images as the generator does, or raise ProblemError."""
        if time.monotonic() > self.until or time.thread_time() > self.busy:
            detail = (
                f"The search took too long: it may have {MOST:g} s of processor time. For a "
                f"large model use `ganbaru project`."
            )
            raise ProblemError(503, detail, RETRY)
        return super().floats(latents, labels)


async def make(service: Service, name: str, model: Model, request: ProjectionRequest) -> Response:
    """Find the latent of a picture; raises ProblemError or InputError for a wrong request."""
    labels = None if request.label is None else model.generator.labels([0], request.label)
    try:
        content = base64.b64decode(request.picture, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProblemError(422, f"picture is not base64: {error}.") from error
    with service.searches.place(1) as until:
        picture, found, finished = await asyncio.get_running_loop().run_in_executor(
            service.searching, _found, model, content, labels, until, service.limits.seconds / 6
        )
    weights = model.weights(found.labels, 1)[0].tolist()
    label, text = None, projected.label_text(model.generator, found.labels, 0)
    if found.labels is not None:
        label = text if model.generator.attributes else int(found.labels[0])
    return json_response(
        {
            "model": name,
            "images_trained": model.images_trained,
            "latent": found.latents[0].tolist(),
            "label": label,
            "class": None if model.generator.attributes else text,
            "weights": weights,
            "error": float(found.error[0]),
            "finished": finished,
            "png": base64.b64encode(png.encoded(found.images[0])).decode(),
            "picture": base64.b64encode(png.encoded(picture[0])).decode(),
        }
    )


def _found(
    model: Model, content: bytes, labels: Inputs | None, until: float, left: float
) -> tuple[Images, projection.Projection, bool]:
    """Return the picture (1, H, W, C) as the model has it, its projection, and if that is done."""
    height, width, channels = model.player.header.data["shape"]
    picture = pictures.uploaded(content, (height, width, channels), model.player.config)
    own = {each.name: getattr(model.generator, each.name) for each in fields(Generator)}
    bounded = _Bounded(**own, until=until, busy=time.thread_time() + MOST, left=left)
    found = projection.project(
        bounded, picture, labels, enough=bounded.enough, features=model.features
    )
    return picture, found, not bounded.enough()
