"""The bodies of requests and responses, with the sentences and examples of the OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")
Many = Annotated[list[T], Field(fail_fast=True)]  # one error for a list of many wrong values
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Label = int | str
_LABELS = (
    "a class's number or name for all, or one for each; name:1 or index:1 where 1 is the name of "
    "one class and the number of another; default: seed mod classes"
)
_PICTURE = (  # 8x8 pixels
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAF0lEQVR42mNgQAL//zMwMDDBeMQw4AAAdjsC"
    "Ca0quowAAAAASUVORK5CYII="
)


def _strict(*examples: dict[str, Any]) -> ConfigDict:
    """Forbid unknown fields and conversions between types; show examples."""
    return ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": list(examples)})


class ImageRequest(BaseModel):
    """Images of seeds or of given latents; by default the image of seed 0."""

    model_config = _strict(
        {"seed": 7},
        {"count": 16, "seed": 100, "truncation": 0.8, "format": "grid"},
        {"seeds": [3, 17, 8], "labels": 0, "format": "json"},
    )

    count: int | None = Field(None, ge=1, description="number of images, of consecutive seeds")
    seed: Seed = Field(0, description="of the first image")
    seeds: Many[Seed] | None = Field(None, min_length=1, description="one for each image")
    latents: Many[Many[float]] | None = Field(
        None, min_length=1, description="one for each image, of the size of the model's `latent`"
    )
    labels: Label | Many[Label] | None = Field(None, description=_LABELS)
    truncation: float = Field(
        1.0, gt=0, le=1, description="scale of the latents: below 1, more typical, less varied"
    )
    format: Literal["png", "grid", "zip", "json"] = Field(
        "png", description="png: one image, or a grid; zip: a PNG for each; json: PNGs in base64"
    )
    columns: int | None = Field(None, ge=1, le=256, description="of a grid; default: about square")


class FilmRequest(BaseModel):
    """A film that interpolates between images."""

    model_config = _strict(
        {"seeds": [3, 17, 8], "close": True, "frames": 45},
        {"path": "loop", "format": "webp", "fps": 30},
    )

    path: str = Field("slerp", description="slerp, line, loop, or classes (one seed, all labels)")
    seeds: Many[Seed] | None = Field(None, min_length=1, description="the images on the path")
    labels: Label | Many[Label] | None = Field(None, description=_LABELS)
    latents: Many[Many[float]] | None = Field(
        None, min_length=1, description="points in place of seeds, such as those of projections"
    )
    frames: int = Field(45, ge=2, description="number of frames in all")
    fps: float = Field(20.0, ge=0.1, le=1000, description="frames a second")
    close: bool = Field(False, description="return to the first seed")
    bounce: bool = Field(False, description="play forwards, then backwards")
    size: int = Field(256, ge=1, description="least pixels of the longer side")
    format: Literal["gif", "apng", "webp", "mp4"] = "gif"


class ProjectionRequest(BaseModel):
    """A picture, to which the nearest image of the generator is sought."""

    model_config = _strict({"picture": _PICTURE}, {"picture": _PICTURE, "label": 0})

    picture: str = Field(
        min_length=1, description="a PNG, JPEG, WebP, GIF or BMP in base64, fitted as in training"
    )
    label: Label | None = Field(
        None, description="a class's number or name, or attributes; default: the nearest start's"
    )


# The body of a POST request, by the last part of its path.
BODIES: dict[str, type[BaseModel]] = {
    "images": ImageRequest,
    "morphs": FilmRequest,
    "projections": ProjectionRequest,
}


class Problem(BaseModel):
    """Why a request was refused (RFC 9457); `detail` says how to fix it."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None


class Card(BaseModel):
    """A model's metadata; `state` is `ready`, or `waiting` for the run's first checkpoint."""

    model_config = ConfigDict(extra="allow")

    name: str
    state: Literal["ready", "waiting"]
    links: dict[str, str]


class Models(BaseModel):
    """The models that are served."""

    models: list[Card]


class EncodedImage(BaseModel):
    """An image in JSON."""

    seed: int | None
    label: int | None
    class_name: str | None = Field(alias="class")
    png: str = Field(description="base64")


class EncodedImages(BaseModel):
    """Images in JSON."""

    model: str
    images_trained: int
    images: list[EncodedImage]


class Projection(BaseModel):
    """The generator's image nearest to a picture; `latent` and `label` make it again."""

    model: str
    images_trained: int
    latent: list[float]
    label: int | str | None = Field(description="a class's number, or attributes")
    class_name: str | None = Field(alias="class")
    weights: list[float] = Field(description="of the classes, or attributes from -1 to 1")
    error: float = Field(description="mean difference of pixels, 1 being black from white")
    finished: bool = Field(description="whether the search ended before its time did")
    png: str = Field(description="the image, in base64")
    picture: str = Field(description="the picture as fitted, a PNG in base64")


class Health(BaseModel):
    """Whether the service is alive, or ready."""

    status: str
    models: dict[str, str] | None = None
