"""Images on request: from seeds, latents and labels to files of a format."""

from __future__ import annotations

import asyncio
import base64
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from ganbaru.data import attributes
from ganbaru.sampling import image_io, png
from ganbaru.sampling.image_io import Images
from ganbaru.serve.limits import Limits
from ganbaru.serve.models import Latents, Model
from ganbaru.serve.problems import ProblemError
from ganbaru.serve.responses import json_response, response
from ganbaru.serve.schemas import ImageRequest
from ganbaru.serve.service import Service

# Images of more bytes are encoded outside the event loop's thread, since it takes milliseconds.
LARGE = 2**16


@dataclass(frozen=True)
class ImageJob:
    """The images of one request; `seeds` is None for latents of the request."""

    name: str
    model: Model
    seeds: Sequence[int] | None
    latents: Latents
    labels: NDArray[Any] | None
    columns: int | None


async def make(service: Service, name: str, model: Model, request: ImageRequest) -> Response:
    """Make the images of a request; raises ProblemError or InputError for a wrong one."""
    count = _count(request, service.limits)
    with service.admission.place(count) as until:
        job = _job(name, model, request, count)
        weights = model.weights(job.labels, count)
        images = await service.batcher.make(model, job.latents, weights, until)
        encode = FORMATS[request.format]
        if images.nbytes < LARGE:
            return encode(job, images)
        return await asyncio.to_thread(encode, job, images)


def _count(request: ImageRequest, limits: Limits) -> int:
    lists = {"seeds": request.seeds, "latents": request.latents}
    given = [name for name, value in {"count": request.count, **lists}.items() if value is not None]
    if len(given) > 1:
        raise ProblemError(422, f"Give one of {' and '.join(given)}: each sets the image count.")
    if request.latents is not None and request.truncation != 1:
        raise ProblemError(422, "truncation is for seeds: scale the latents themselves.")
    count = next((len(value) for value in lists.values() if value), request.count or 1)
    if count > limits.images:
        detail = f"{count:,} images are too many: at most {limits.images} in a request."
        raise ProblemError(422, detail)
    return count


def _job(name: str, model: Model, request: ImageRequest, count: int) -> ImageJob:
    generator, labels = model.generator, request.labels
    if isinstance(labels, list) and len(labels) != count:
        raise ProblemError(422, f"Got {len(labels)} labels for {count} images.")
    if request.latents is not None:
        latents, seeds = checked_latents(request.latents, generator.latent), None
        indices = generator.labels(range(count), labels)
    else:
        seeds = request.seeds or generator.seeds(count, request.seed)
        latents = generator.latents(seeds, request.truncation)
        indices = generator.labels(seeds, labels)
    return ImageJob(name, model, seeds, latents, indices, request.columns)


def checked_latents(rows: list[list[float]], size: int) -> Latents:
    """Return the latents (N, size) of a request; raises ProblemError for wrong ones."""
    if wrong := [len(row) for row in rows if len(row) != size]:
        detail = f"A latent of this model has {size} numbers, and one in the request {wrong[0]}."
        raise ProblemError(422, detail)
    with np.errstate(over="ignore"):
        latents = np.array(rows, np.float32)
    if not np.isfinite(latents).all():
        raise ProblemError(422, "A latent has a number outside the range of float32.")
    return latents


# --- formats ------------------------------------------------------------------------------------


def _file(job: ImageJob, content: bytes, kind: str, **headers: str) -> Response:
    trained = {"Ganbaru-Images-Trained": str(job.model.images_trained)}
    return response(content, kind, headers={**trained, **headers})


def _png(job: ImageJob, images: Images) -> Response:
    return (
        _grid(job, images) if len(images) > 1 else _file(job, png.encoded(images[0]), "image/png")
    )


def _grid(job: ImageJob, images: Images) -> Response:
    sheet = image_io.grid(images, min(job.columns, len(images)) if job.columns else None)
    return _file(job, png.encoded(sheet), "image/png")


def _zip(job: ImageJob, images: Images) -> Response:
    stream = io.BytesIO()
    marks = image_io.label_marks(job.model.generator.classes)
    with zipfile.ZipFile(stream, "w") as archive:
        for i, image in enumerate(images):
            label = "" if job.labels is None or not marks else marks[job.labels[i]]
            source = f"latent{i:04d}" if job.seeds is None else f"{i:04d}-seed{job.seeds[i]}"
            archive.writestr(f"{source}{label}.png", png.encoded(image))
    attached = {"Content-Disposition": 'attachment; filename="images.zip"'}
    return _file(job, stream.getvalue(), "application/zip", **attached)


def _json(job: ImageJob, images: Images) -> Response:
    columns = job.model.generator.attributes
    plain = None if columns or job.labels is None else job.labels.tolist()
    labels = plain or [None] * len(images)
    rows: list[dict[str, Any]] = [{}] * len(images)
    if columns and job.labels is not None:
        values = attributes.unscaled(columns, job.labels).round(6).tolist()
        names = [each.name for each in columns]
        rows = [{"attributes": dict(zip(names, row, strict=True))} for row in values]
    seeds = [None] * len(images) if job.seeds is None else job.seeds
    classes = job.model.generator.classes
    encoded = [
        {
            "seed": seed,
            "label": label,
            "class": None if label is None else classes[label],
            **row,
            "png": base64.b64encode(png.encoded(image)).decode(),
        }
        for seed, label, row, image in zip(seeds, labels, rows, images, strict=True)
    ]
    trained = job.model.images_trained
    return json_response({"model": job.name, "images_trained": trained, "images": encoded})


FORMATS: dict[str, Callable[[ImageJob, Images], Response]]
FORMATS = {"png": _png, "grid": _grid, "zip": _zip, "json": _json}
