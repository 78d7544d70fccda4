"""Transforms of images that augmentation is made of; `TRANSFORMS` lists them by name.

A transform is differentiable to any order, and linear in the pixels. Its random numbers become
arrays in NumPy, which are inputs of the training step (`ganbaru.gan.augmentation`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from ganbaru import ops
from ganbaru.errors import InputError
from ganbaru.nn.scope import in_full_precision
from ganbaru.ops import Parameters, Tensor

Numbers = NDArray[np.float64]  # uniform in [0, 1)
Arrays = dict[str, NDArray[Any]]
Shape = tuple[int, int, int]  # height, width, channels
T = TypeVar("T", bound="type[Transform]")


def _option(default: float, least: float, most: float) -> Any:
    return dataclasses.field(default=default, metadata={"least": least, "most": most})


@dataclass(frozen=True)
class Transform:
    """Base class of transforms: with probability `p` (at strength 1) an image is transformed.

    `arrays` turns an image's random numbers into arrays, which are inputs of the step, and `apply`
    computes with them. An image that is not transformed stays the same to the last bit.
    """

    NAME: ClassVar[str]
    ADAPTS: ClassVar[bool] = True  # whether `p` is multiplied by the strength
    FAKES: ClassVar[bool] = True  # whether fakes have it too, lest G make transformed images
    NUMBERS: ClassVar[int] = 1  # random numbers for each image, besides the one for `p`

    p: float = _option(1.0, 0, 1)

    def __post_init__(self) -> None:
        """Raise InputError for an option out of its range."""
        for field in dataclasses.fields(self):
            least, most = (field.metadata[end] for end in ("least", "most"))
            value = getattr(self, field.name)
            if not least <= value <= most:
                raise InputError(
                    f"The augmentation {self.NAME} has {field.name}={value:g}: give a number from "
                    f"{least:g} to {most:g}, such as {self.NAME}:{field.name}={field.default:g}."
                )

    def arrays(self, on: NDArray[np.bool_], numbers: Numbers, shape: Shape) -> Arrays:
        """Return the arrays of images (N, ...), those transformed where `on` (N,)."""
        raise NotImplementedError

    def apply(self, images: Tensor, given: Parameters) -> Tensor:
        """Transform images (N, C, H, W) by what `arrays` returned, as tensors."""
        raise NotImplementedError


TRANSFORMS: dict[str, type[Transform]] = {}


def transform(made: T) -> T:
    """Register a transform under its class's name."""
    made.NAME = made.__name__.lower()
    TRANSFORMS[made.NAME] = made
    return made


# --- transforms -------------------------------------------------------------------------------


def _resampled(images: Tensor, matrices: Tensor) -> Tensor:
    """Multiply the rows of images (N, C, H, W) by matrices (N, H, H); the result is (N, C, W, H).

    Exchanging rows and columns costs no copy, and two calls do both axes.
    """
    n, channels, height, width = images.shape
    rows = ops.reshape(ops.transpose(images, (0, 2, 3, 1)), (n, height, width * channels))
    new = ops.reshape(ops.matmul(matrices, rows), (n, height, width, channels))
    return ops.transpose(new, (0, 3, 2, 1))


def _from_centre(side: int) -> NDArray[np.float64]:
    return np.arange(side, dtype=np.float64) - (side - 1) / 2


@transform
@dataclass(frozen=True)
class Flip(Transform):
    """Mirrors reals left and right, whatever the strength: mirrored images are more of the set.

    Fakes stay as they are. Were they mirrored too, every mixture of sides would look alike to D,
    and it would see faces with one dark half by what halves have in common alone: of cat faces
    (`small`, 300 of them, 10,000 images) the kernel distance was 8.0, and is 4.9.
    """

    ADAPTS = FAKES = False
    NUMBERS = 0

    p: float = _option(0.5, 0, 1)

    def arrays(self, on: NDArray[np.bool_], numbers: Numbers, shape: Shape) -> Arrays:
        same = np.eye(shape[1])[None]
        return {
            "on": np.where(on, 1.0, 0.0).reshape(-1, 1, 1),
            "same": same,
            "mirror": same[:, ::-1],
        }

    def apply(self, images: Tensor, given: Parameters) -> Tensor:
        order = given["same"] * (1.0 - given["on"]) + given["mirror"] * given["on"]
        sides = ops.transpose(images, (0, 1, 3, 2))
        mirrored: Tensor = in_full_precision(sides, lambda x: _resampled(x, order))
        return mirrored


@transform
@dataclass(frozen=True)
class Scale(Transform):
    """Enlarges or shrinks about the centre, by up to 1 + `most`, bilinear; zeros enter."""

    p: float = _option(0.5, 0, 1)
    most: float = _option(0.2, 0, 1)

    def arrays(self, on: NDArray[np.bool_], numbers: Numbers, shape: Shape) -> Arrays:
        factor = (1 + self.most) ** np.where(on, 1 - 2 * numbers[:, 0], 0.0)
        down, right = (_from_centre(side).reshape(1, -1, 1) for side in shape[:2])
        return {"factor": factor.reshape(-1, 1, 1), "rows": down, "columns": right}

    def apply(self, images: Tensor, given: Parameters) -> Tensor:
        def resize(x: Tensor) -> Tensor:
            for side in ("columns", "rows"):
                place = given[side]
                apart = place * given["factor"] - ops.transpose(place, (0, 2, 1))
                x = _resampled(x, ops.maximum(1.0 - ops.maximum(apart, -apart), 0.0))
            return ops.transpose(x, (0, 1, 3, 2))

        resized: Tensor = in_full_precision(ops.transpose(images, (0, 1, 3, 2)), resize)
        return resized


@transform
@dataclass(frozen=True)
class Rotation(Transform):
    """Rotates about the centre by up to `most` degrees; zeros enter.

    Three shears (Paeth 1986) by whole pixels: pixels change places and are not blurred.
    """

    p: float = _option(0.5, 0, 1)
    most: float = _option(10.0, 0, 45)

    def arrays(self, on: NDArray[np.bool_], numbers: Numbers, shape: Shape) -> Arrays:
        angle = np.radians(np.where(on, (2 * numbers[:, 0] - 1) * self.most, 0.0))[:, None]
        return {
            "rows": _moves(np.tan(angle / 2) * _from_centre(shape[0]), 1),
            "columns": _moves(-np.sin(angle) * _from_centre(shape[1]), 0),
        }

    def apply(self, images: Tensor, given: Parameters) -> Tensor:
        images = _sheared(images, given["rows"], 2)
        images = _sheared(images, given["columns"], 3)
        return _sheared(images, given["rows"], 2)


def _moves(distances: Numbers, axis: int) -> NDArray[np.int64]:
    """Return whole offsets (down, right) along one of the two, of rows or columns (N, side)."""
    moves = np.zeros((distances.size, 2), np.int64)
    moves[:, axis] = np.rint(distances).ravel()
    return moves


def _sheared(images: Tensor, offsets: Tensor, axis: int) -> Tensor:
    """Move each row (`axis` 2) or column (3) of images (N, C, H, W) by its own offsets."""
    n, channels, *sides = images.shape
    count = sides[axis - 2]
    first = (0, axis, 1, 5 - axis)  # (N, count, C, length)
    one = [1, 1]
    one[3 - axis] = sides[3 - axis]
    lines = ops.reshape(ops.transpose(images, first), (n * count, channels, *one))
    moved = ops.translate(lines, offsets)
    back = (0, 2, 1, 3) if axis == 2 else (0, 2, 3, 1)
    return ops.transpose(ops.reshape(moved, (n, count, channels, sides[3 - axis])), back)


@transform
@dataclass(frozen=True)
class Translation(Transform):
    """Moves by whole pixels, up to `most` of the side along each axis; zeros (grey) enter."""

    NUMBERS = 2

    most: float = _option(0.125, 0, 1)

    def arrays(self, on: NDArray[np.bool_], numbers: Numbers, shape: Shape) -> Arrays:
        most = np.rint(self.most * np.array(shape[:2])).astype(np.int64)
        offsets = (numbers * (2 * most + 1)).astype(np.int64) - most
        return {"offsets": offsets * on[:, None]}

    def apply(self, images: Tensor, given: Parameters) -> Tensor:
        return ops.translate(images, given["offsets"])


@transform
@dataclass(frozen=True)
class Cutout(Transform):
    """Sets a rectangle to zero, of `part` of each side, whose centre is anywhere in the image."""

    NUMBERS = 2

    part: float = _option(0.5, 0, 1)

    def arrays(self, on: NDArray[np.bool_], numbers: Numbers, shape: Shape) -> Arrays:
        inside = []
        for number, side in zip(numbers.T, shape[:2], strict=True):
            start = np.rint(number * side - self.part * side / 2)[:, None]
            place = np.arange(side) - start
            inside.append((place >= 0) & (place < np.rint(self.part * side)))
        rows, columns = inside
        return {
            "rows": np.where(rows & on[:, None], 1.0, 0.0)[:, None, :, None],
            "columns": np.where(columns, 1.0, 0.0)[:, None, None, :],
        }

    def apply(self, images: Tensor, given: Parameters) -> Tensor:
        return images * (1.0 - given["rows"] * given["columns"])


@transform
@dataclass(frozen=True)
class Colour(Transform):
    """Changes brightness, then saturation, then contrast.

    Adds a number up to `brightness`, multiplies the distance from each pixel's grey by a factor up
    to `saturation` from 1, and that from the image's mean likewise by `contrast`. Together they are
    a matrix on the channels, a part of the image's mean, and a number. Alpha stays as it is.
    """

    NUMBERS = 3

    brightness: float = _option(0.5, 0, 2)
    saturation: float = _option(1.0, 0, 1)
    contrast: float = _option(0.5, 0, 1)

    def arrays(self, on: NDArray[np.bool_], numbers: Numbers, shape: Shape) -> Arrays:
        ranges = np.array([self.brightness, self.saturation, self.contrast])
        spread = np.where(on[:, None], (2 * numbers - 1) * ranges, 0.0)
        add, saturation, contrast = (spread + [0, 1, 1]).T
        add, saturation, contrast = (each.reshape(-1, 1, 1) for each in (add, saturation, contrast))
        colours = min(shape[2], 3)
        own, grey = np.eye(colours), np.full((colours, colours), 1 / colours)
        matrix = contrast * (saturation * own + (1 - saturation) * grey)
        whole = np.broadcast_to(np.eye(shape[2]), (len(on), shape[2], shape[2])).copy()
        whole[:, :colours, :colours] = matrix
        part = np.arange(shape[2]) < colours
        return {
            "channels": whole,
            "mean": (1 - contrast) * part,
            "add": add * part,
            "weights": part / colours,  # of the channels in an image's mean
        }

    def apply(self, images: Tensor, given: Parameters) -> Tensor:
        n, channels, height, width = images.shape

        def mix(x: Tensor) -> Tensor:
            pixels = ops.reshape(ops.transpose(x, (0, 2, 3, 1)), (n, height * width, channels))
            mean = ops.mean(pixels, axis=1, keepdims=True) * given["weights"]
            mean = ops.sum(mean, axis=2, keepdims=True)
            mixed = ops.matmul(pixels, given["channels"]) + (mean * given["mean"] + given["add"])
            return ops.transpose(ops.reshape(mixed, (n, height, width, channels)), (0, 3, 1, 2))

        changed: Tensor = in_full_precision(images, mix)
        return changed
