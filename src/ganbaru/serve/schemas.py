"""What may be asked for: the bodies of requests, with the sentences and examples of the OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Label = int | str
_LABELS = "a class's number or name for all, or one for each; else seed mod classes"


def _strict(*examples: dict[str, Any]) -> ConfigDict:
    """Take the fields that there are, of their own types, and show examples."""
    return ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": list(examples)})


class ImageRequest(BaseModel):
    """Pictures of seeds, or of latents of one's own; nothing given is the picture of seed 0."""

    model_config = _strict(
        {"seed": 7},
        {"count": 16, "seed": 100, "truncation": 0.8, "format": "grid"},
        {"seeds": [3, 17, 8], "labels": 0, "format": "json"},
    )

    count: int | None = Field(None, ge=1, description="how many; their seeds count up")
    seed: Seed = Field(0, description="of the first image")
    seeds: list[Seed] | None = Field(None, min_length=1, description="each image's, in their place")
    latents: list[list[float]] | None = Field(
        None, min_length=1, description="each image's, numbers as the model's `latent` says"
    )
    labels: Label | list[Label] | None = Field(None, description=_LABELS)
    truncation: float = Field(
        1.0, gt=0, le=1, description="below 1: fewer odd pictures, less variety"
    )
    format: Literal["png", "grid", "zip", "json"] = Field(
        "png",
        description="png: the picture, or a grid of several; zip: a PNG each; json: with base64",
    )
    columns: int | None = Field(None, ge=1, le=256, description="of a grid; else about square")


class FilmAsked(BaseModel):
    """A film from picture to picture."""

    model_config = _strict(
        {"seeds": [3, 17, 8], "close": True, "frames": 45},
        {"path": "loop", "format": "webp", "fps": 30},
    )

    path: str = Field("slerp", description="slerp, line, loop, or classes (a seed through labels)")
    seeds: list[Seed] | None = Field(None, min_length=1, description="what it goes through")
    labels: Label | list[Label] | None = Field(None, description=_LABELS)
    frames: int = Field(45, ge=2, description="how many in all")
    fps: float = Field(20.0, ge=0.1, le=1000, description="frames a second")
    close: bool = Field(False, description="go back to the first seed")
    bounce: bool = Field(False, description="go back the way it came")
    size: int = Field(256, ge=1, description="the longer side has at least so many pixels")
    format: Literal["gif", "apng", "webp", "mp4"] = "gif"


class Problem(BaseModel):
    """Why a request was refused (RFC 9457): `detail` says what to do about it."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None


class Card(BaseModel):
    """What a model says of itself; `state` is `ready`, or `waiting` for its first checkpoint."""

    model_config = ConfigDict(extra="allow")

    name: str
    state: Literal["ready", "waiting"]
    links: dict[str, str]


class Models(BaseModel):
    """The models that are served."""

    models: list[Card]


class Made(BaseModel):
    """An image as JSON has it."""

    seed: int | None
    label: int | None
    class_name: str | None = Field(alias="class")
    png: str = Field(description="base64")


class ImagesMade(BaseModel):
    """Images as JSON has them."""

    model: str
    images_trained: int
    images: list[Made]


class Health(BaseModel):
    """Whether the service lives, or is ready."""

    status: str
    models: dict[str, str] | None = None
