"""Films on request: latents along a path, images by the batcher, encoding in a thread."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from starlette.responses import Response

from ganbaru.sampling import image_io, video
from ganbaru.sampling.image_io import Images
from ganbaru.serve.batching import Batcher
from ganbaru.serve.limits import Admission, Limits
from ganbaru.serve.models import Model
from ganbaru.serve.problems import RETRY, ProblemError
from ganbaru.serve.responses import response
from ganbaru.serve.schemas import FilmRequest


@dataclass(frozen=True)
class FilmService:
    """Makes films, one after the other."""

    batcher: Batcher
    admission: Admission
    limits: Limits
    thread: ThreadPoolExecutor

    async def make(self, model: Model, request: FilmRequest) -> Response:
        """Make the film of a request; raises ProblemError or InputError for a wrong one."""
        self._check(request)
        kind = video.checked(f".{request.format}", request.fps)
        with self.admission.place(request.frames) as until:
            path, close, bounce = request.path, request.close, request.bounce
            latents, weights = model.generator.walk(
                path, request.seeds, request.labels, request.frames, close=close, bounce=bounce
            )
            given = model.weights(None, len(latents)) if weights is None else weights
            frames = await self.batcher.make(model, latents, given.astype(np.float32), until)
            body = await asyncio.get_running_loop().run_in_executor(
                self.thread, _encoded, kind, frames, request.fps, request.size, until
            )
        return response(body, kind.media_type)

    def _check(self, request: FilmRequest) -> None:
        """Refuse what is too large before anything is made."""
        bounds = {"frames": self.limits.frames, "size": self.limits.side}
        for name, most in bounds.items():
            if (value := getattr(request, name)) > most:
                raise ProblemError(422, f"{name} may be {most} at most, not {value}.")
        if (count := len(request.seeds or ())) > request.frames:
            raise ProblemError(422, f"{count} seeds do not fit into {request.frames} frames.")


def _encoded(kind: video.Format, frames: Images, fps: float, size: int, until: float) -> bytes:
    assert kind.stream
    stream = io.BytesIO()
    kind.stream(stream, _enlarged(frames, size, until), fps)
    return stream.getvalue()


def _enlarged(frames: Images, size: int, until: float) -> Iterator[Images]:
    for frame in frames:
        if time.monotonic() > until:
            raise ProblemError(
                503, "The film took too long: ask for fewer frames or a smaller size.", RETRY
            )
        yield image_io.enlarge(frame, size)
