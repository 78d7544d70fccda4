"""Decoding, cropping and resizing pictures: any mode of Pillow's becomes grey or RGB bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ganbaru.data.picture_file import UnreadableError, open_picture, reason
from ganbaru.data.source import Images, Target

if TYPE_CHECKING:
    from PIL import Image  # 30 ms, and only needed where pictures are decoded

# Part of every cache key: raise it when pixels would come out differently.
RULE = 2

Box = tuple[float, float, float, float]


def decode(data: bytes, target: Target) -> tuple[Images, tuple[int, int]]:
    """Return the converted pixels (H, W, C) of a picture file, and its own height and width.

    Raises UnreadableError, whatever is wrong with the file.
    """
    from PIL import ImageOps

    try:
        if not data:
            raise UnreadableError("the file is empty")
        with open_picture(data) as image:
            width, height = image.size
            shrink_early(image, target)
            before = image.size
            ImageOps.exif_transpose(image, in_place=True)
            if image.size != before:
                width, height = height, width
            return fit(opaque(image), target), (height, width)
    # Pillow's forty decoders, fed damaged files, raise anything from SyntaxError to struct.error.
    except Exception as error:
        raise UnreadableError(reason(error)) from error


def shrink_early(image: Image.Image, target: Target) -> None:
    """Let the JPEG decoder halve a large photograph while it still has twice the target's pixels.

    A 12-megapixel photograph then takes 28 ms instead of 174, and Lanczos does the rest.
    """
    if target.size:
        least = 2 * max(target.size) / min(image.size)
        image.draft(image.mode, (int(image.width * least) + 1, int(image.height * least) + 1))


def opaque(image: Image.Image) -> Image.Image:
    """Return the picture in mode L if it is grey and in RGB if not, transparency over white.

    White, because that is what cut-out pictures are shown on; black would swallow dark outlines.
    """
    from PIL import Image

    if image.mode.startswith("I"):
        return Image.fromarray(_bytes_of_16_bits(np.asarray(image)))
    if image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range; save it with 8 or 16 bits")
    mode = "L" if _is_grey(image) else "RGB"
    if not image.has_transparency_data:
        return image.convert(mode)
    layers = image.convert("RGBA")
    page = Image.new(mode, image.size, "white")
    page.paste(layers.convert(mode), mask=layers.getchannel("A"))
    return page


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "P":
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La")


def _bytes_of_16_bits(pixels: np.ndarray) -> Images:
    """Scale 0..65535 to 0..255; Pillow's mode I holds 16-bit files too, in 32 bits."""
    if pixels.min() < 0 or pixels.max() > 65535:
        raise ValueError("pixels exceed 16 bits and have no fixed range; save it with 8 or 16 bits")
    values = pixels.astype(np.int32)  # 65535 * 255 + 32767 is under 2^24
    values *= 255
    values += 32767
    values //= 65535
    return values.astype(np.uint8)


# --- crop and resize ---


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
    from PIL.Image import Resampling

    height, width = size
    shrinks = height <= box[3] - box[1] and width <= box[2] - box[0]
    return Resampling.LANCZOS if shrinks else Resampling.BICUBIC


def fit(image: Image.Image, target: Target) -> Images:
    """Return the pixels (H, W, C) of a Pillow image in mode L or RGB, converted to `target`."""
    if target.channels == 1:
        image = image.convert("L")
    if target.size and target.size != (image.height, image.width):
        box = centre_box(image.height, image.width, target.size)
        image = image.resize(target.size[::-1], resample(box, target.size), box=box)
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return pixels.repeat(3, axis=2) if target.channels == 3 > pixels.shape[2] else pixels


def fit_block(images: Images, target: Target) -> Images:
    """Convert a block of images (n, H, W, C); one that fits already is returned as it is."""
    if target.fits(images.shape):
        return images
    from PIL import Image

    grey = images.shape[3] == 1
    planes = (np.ascontiguousarray(image[..., 0] if grey else image) for image in images)
    return np.stack([fit(Image.fromarray(plane), target) for plane in planes])
