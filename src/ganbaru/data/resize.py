"""Cropping and resizing: the one rule by which any picture gets the size and channels asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ganbaru.data.source import BLOCK, Arrays, Details, Images, Progress, Sizes, Want

if TYPE_CHECKING:
    from ganbaru.data.sink import Sink

# Part of every cache key: raise it when pixels would come out differently.
RULE = 1

Box = tuple[float, float, float, float]


def centre_box(height: int, width: int, size: tuple[int, int]) -> Box:
    """Return (left, top, right, bottom) of the largest centred box with the proportions of `size`.

    Sides may be fractions of a pixel, so nothing is squeezed, not even by half a pixel.
    """
    new_height, new_width = size
    if width * new_height > height * new_width:
        left = (width - height * new_width / new_height) / 2
        return left, 0.0, width - left, float(height)
    top = (height - width * new_height / new_width) / 2
    return 0.0, top, float(width), height - top


def resample(box: Box, size: tuple[int, int]) -> Image.Resampling:
    """Choose the filter: Lanczos where pixels become fewer, bicubic where they become more.

    Pillow widens both by the scale, so shrinking does not alias (Parmar et al. 2022, "On aliased
    resizing", show what a filter that aliases does to FID). Lanczos keeps the most detail of
    photographs; enlarging 8x8 digits, its wider negative lobes draw rings that bicubic lacks.
    """
    height, width = size
    shrinks = height <= box[3] - box[1] and width <= box[2] - box[0]
    return Image.Resampling.LANCZOS if shrinks else Image.Resampling.BICUBIC


def fit(image: Image.Image, want: Want) -> Images:
    """Return the pixels (H, W, C) of a picture in mode L or RGB, fitted to what is wanted."""
    if want.channels == 1:
        image = image.convert("L")
    if want.size and want.size != (image.height, image.width):
        box = centre_box(image.height, image.width, want.size)
        image = image.resize((want.size[1], want.size[0]), resample(box, want.size), box=box)
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return pixels.repeat(3, axis=2) if want.channels == 3 > pixels.shape[2] else pixels


def fit_block(images: Images, want: Want) -> Images:
    """Fit a block of images (n, H, W, C); one that fits already comes back as it is."""
    if want.size in (None, images.shape[1:3]) and want.channels in (None, images.shape[3]):
        return images
    grey = images.shape[3] == 1
    planes = (np.ascontiguousarray(image[..., 0] if grey else image) for image in images)
    return np.stack([fit(Image.fromarray(plane), want) for plane in planes])


def pour(name: str, arrays: Arrays, want: Want, sink: Sink, progress: Progress) -> Details:
    """Write decoded images, fitted, into `sink`, a block at a time."""
    count, height, width, _ = arrays.images.shape
    for start in range(0, count, BLOCK):
        sink.write(fit_block(arrays.images[start : start + BLOCK], want))
        progress(min(start + BLOCK, count), count, f"preparing {name}")
    sizes = Sizes.uniform(count, height, width)
    return Details(arrays.labels, arrays.classes, arrays.notes, sizes)
