"""Films: latents along a path, their pictures by the batcher, and a thread that encodes them."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ganbaru.sampling import image_io, video
from ganbaru.serve.batching import Batcher
from ganbaru.serve.limits import Admission, Limits
from ganbaru.serve.models import Model
from ganbaru.serve.responses import ProblemError, Reply
from ganbaru.serve.schemas import FilmAsked


@dataclass(frozen=True)
class FilmMaker:
    """Makes films, one after the other."""

    batcher: Batcher
    admission: Admission
    limits: Limits
    thread: ThreadPoolExecutor

    async def film(self, name: str, model: Model, asked: FilmAsked) -> Reply:
        """Make a film; raises ProblemError or InputError for what cannot be made."""
        self._check(asked)
        kind = video.checked(f".{asked.format}", asked.fps)
        with self.admission.place(asked.frames) as until:
            latents, weights = model.generator.walk(
                asked.path, asked.seeds, asked.labels, asked.frames,
                close=asked.close, bounce=asked.bounce,
            )  # fmt: skip
            given = model.weights(None, len(latents)) if weights is None else weights
            frames = await self.batcher.make(model, latents, given.astype(np.float32), until)
            loop = asyncio.get_running_loop()
            body = await loop.run_in_executor(
                self.thread, _encoded, kind, frames, asked.fps, asked.size, until
            )
        return Reply(body, kind.media_type)

    def _check(self, asked: FilmAsked) -> None:
        """Refuse what is too large before anything is made."""
        bounds = {"frames": self.limits.frames, "size": self.limits.side}
        for name, most in bounds.items():
            if getattr(asked, name) > most:
                raise ProblemError(
                    422, f"{name} may be {most} at most, not {getattr(asked, name)}."
                )
        if len(asked.seeds or ()) > asked.frames:
            raise ProblemError(
                422, f"{len(asked.seeds or ())} seeds do not fit into {asked.frames} frames."
            )


def _encoded(
    kind: video.Format, frames: image_io.Images, fps: float, size: int, until: float
) -> bytes:
    assert kind.stream
    stream = io.BytesIO()
    kind.stream(stream, _enlarged(frames, size, until), fps)
    return stream.getvalue()


def _enlarged(frames: image_io.Images, size: int, until: float) -> Iterator[image_io.Images]:
    for frame in frames:
        if time.monotonic() > until:
            raise ProblemError(
                503, "The film took too long: ask for fewer frames or a smaller size.",
                {"Retry-After": "5"},
            )  # fmt: skip
        yield image_io.enlarge(frame, size)
