"""From what is asked to what is given: seeds, latents and labels, then pictures in a format."""

from __future__ import annotations

import asyncio
import base64
import functools
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru.sampling import image_io, png
from ganbaru.serve.batching import Batcher
from ganbaru.serve.limits import Admission, Limits
from ganbaru.serve.models import Latents, Model
from ganbaru.serve.responses import ProblemError, Reply, as_json
from ganbaru.serve.schemas import ImageRequest

# Encoding more than this (bytes of pixels) leaves the event loop's thread: it takes milliseconds.
LARGE = 2**16


@dataclass(frozen=True)
class Wanted:
    """What pictures to make: `seeds` is None for latents of the user's own."""

    seeds: Sequence[int] | None
    latents: Latents
    labels: NDArray[np.int64] | None


@dataclass(frozen=True)
class Maker:
    """Makes what is asked for, within limits."""

    batcher: Batcher
    admission: Admission
    limits: Limits

    async def images(self, name: str, model: Model, asked: ImageRequest) -> Reply:
        """Make pictures; raises ProblemError or InputError for what cannot be made."""
        count = _count(asked, self.limits)
        with self.admission.place(count) as until:
            wanted = _wanted(model, asked, count)
            weights = model.weights(wanted.labels, count)
            made = await self.batcher.make(model, wanted.latents, weights, until)
            encode = functools.partial(FORMATS[asked.format], name, model, asked, wanted, made)
            return encode() if made.nbytes < LARGE else await asyncio.to_thread(encode)


def _count(asked: ImageRequest, limits: Limits) -> int:
    lists = {"seeds": asked.seeds, "latents": asked.latents}
    given = [name for name, value in {"count": asked.count, **lists}.items() if value is not None]
    if len(given) > 1:
        raise ProblemError(422, f"Give one of {' and '.join(given)}: each says how many images.")
    if asked.latents is not None and asked.truncation != 1:
        raise ProblemError(422, "truncation is for seeds: scale the latents themselves.")
    count = next((len(value) for value in lists.values() if value), asked.count or 1)
    if count > limits.images:
        raise ProblemError(
            422, f"{count:,} images are too many: at most {limits.images} in a request."
        )
    return count


def _wanted(model: Model, asked: ImageRequest, count: int) -> Wanted:
    generator, labels = model.generator, asked.labels
    if isinstance(labels, list) and len(labels) != count:
        raise ProblemError(422, f"Got {len(labels)} labels for {count} images.")
    if asked.latents is not None:
        latents = _latents(asked.latents, generator.latent)
        return Wanted(None, latents, generator.labels(range(count), labels))
    seeds = asked.seeds or generator.seeds(count, asked.seed)
    latents = generator.latents(seeds, asked.truncation)
    return Wanted(seeds, latents, generator.labels(seeds, labels))


def _latents(given: list[list[float]], size: int) -> Latents:
    if wrong := [len(row) for row in given if len(row) != size]:
        raise ProblemError(
            422, f"A latent of this model is {size} numbers, and one given has {wrong[0]}."
        )
    with np.errstate(over="ignore"):
        latents = np.array(given, np.float32)
    if not np.isfinite(latents).all():
        raise ProblemError(422, "A latent has a number that float32 does not hold.")
    return latents


# --- formats ----------------------------------------------------------------------------------

Encode = Callable[[str, Model, ImageRequest, Wanted, image_io.Images], Reply]


def _told(model: Model) -> dict[str, str]:
    return {"Ganbaru-Images-Trained": str(model.images_trained)}


def _png(
    name: str, model: Model, asked: ImageRequest, wanted: Wanted, made: image_io.Images
) -> Reply:
    if len(made) > 1:
        return _grid(name, model, asked, wanted, made)
    return Reply(png.encoded(made[0]), "image/png", headers=_told(model))


def _grid(
    name: str, model: Model, asked: ImageRequest, wanted: Wanted, made: image_io.Images
) -> Reply:
    sheet = image_io.grid(
        made, min(asked.columns or len(made), len(made)) if asked.columns else None
    )
    return Reply(png.encoded(sheet), "image/png", headers=_told(model))


def _zip(
    name: str, model: Model, asked: ImageRequest, wanted: Wanted, made: image_io.Images
) -> Reply:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for i, image in enumerate(made):
            of = "" if wanted.labels is None else f"-label{wanted.labels[i]}"
            begin = f"latent{i:04d}" if wanted.seeds is None else f"{i:04d}-seed{wanted.seeds[i]}"
            archive.writestr(f"{begin}{of}.png", png.encoded(image))
    headers = {**_told(model), "Content-Disposition": 'attachment; filename="images.zip"'}
    return Reply(stream.getvalue(), "application/zip", headers=headers)


def _json(
    name: str, model: Model, asked: ImageRequest, wanted: Wanted, made: image_io.Images
) -> Reply:
    labels = [None] * len(made) if wanted.labels is None else wanted.labels.tolist()
    seeds = [None] * len(made) if wanted.seeds is None else wanted.seeds
    classes = model.generator.classes
    images = [
        {"seed": seed, "label": label, "class": None if label is None else classes[label],
         "png": base64.b64encode(png.encoded(image)).decode()}
        for seed, label, image in zip(seeds, labels, made, strict=True)
    ]  # fmt: skip
    return as_json({"model": name, "images_trained": model.images_trained, "images": images})


FORMATS: dict[str, Encode] = {"png": _png, "grid": _grid, "zip": _zip, "json": _json}
