"""Decoding, cropping and resizing pictures: any mode becomes grey, RGB or RGBA bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganbaru.coerce import MODES, Interval, parse_colour
from ganbaru.data import alpha
from ganbaru.data.colour import extrema, over, to_srgb, transparent
from ganbaru.data.deep_values import deep
from ganbaru.data.picture_file import UnreadableError, later_frames, open_picture, reason
from ganbaru.data.source import Images, Target
from ganbaru.data.values import BYTES, Facts, to_bytes

if TYPE_CHECKING:
    from PIL import Image  # 30 ms, and only needed where pictures are decoded

# Part of the keys of decoded images, and of features that depend on resizing: raise one when
# pixels would come out differently.
DECODING = 4
RULE = 1  # of resizing

Box = tuple[float, float, float, float]


class Decoded(NamedTuple):
    """A converted picture, and what its file held."""

    pixels: Images  # (H, W, C)
    size: tuple[int, int]  # height and width of the original
    facts: Facts


def decode(data: bytes, target: Target) -> Decoded:
    """Return the converted pixels of a picture file.

    Raises UnreadableError, whatever is wrong with the file.
    """
    try:
        if not data:
            raise UnreadableError("the file is empty")
        with open_picture(data) as image:
            width, height = image.size
            shrink_early(image, target)
            before = image.size
            shown, facts = as_shown(image, data, target)
            if image.size != before:
                width, height = height, width
            return Decoded(fit(shown, target), (height, width), facts)
    # Pillow's forty decoders, fed damaged files, raise anything from SyntaxError to struct.error.
    except Exception as error:
        raise UnreadableError(reason(error, data)) from error


def shrink_early(image: Image.Image, target: Target) -> None:
    """Let the JPEG decoder halve a large photograph while it still has twice the target's pixels.

    A 12-megapixel photograph then takes 28 ms instead of 174, and Lanczos does the rest.
    """
    if target.size:
        least = 2 * max(target.size) / min(image.size)
        image.draft(image.mode, (int(image.width * least) + 1, int(image.height * least) + 1))


def as_shown(image: Image.Image, data: bytes, target: Target) -> tuple[Image.Image, Facts]:
    """Return a picture in mode L or RGB, or RGBA for 4 channels, upright, in sRGB, with its facts.

    With fewer channels it is over the target's background. `image` is turned in place.
    """
    from PIL import Image, ImageOps

    found, interval = deep(image, lambda: open_picture(data)), target.interval
    ImageOps.exif_transpose(image, in_place=True)
    colours, kind = image, BYTES
    if found:
        kind = found.kind
        scaled = to_bytes(found.values, kind, interval)
        colours = Image.fromarray(255 - scaled if found.inverted else scaled)
        colours.info["icc_profile"] = image.info.get("icc_profile")
        if found.alpha is not None:
            colours.putalpha(Image.fromarray(found.alpha))
    colours, usable = to_srgb(colours)
    parts = transparent(colours)
    if target.channels == 4:
        shown, hidden = colours.convert("RGBA"), False
    else:
        shown, hidden = over(colours, target.background)
    channels = extrema(shown)
    if found:
        low, high = float(found.values.min()), float(found.values.max())
        flat = low == high or bool((found.values == found.values[:1, :1]).all())
    else:
        low, high = float(min(channels[:3])[0]), float(max(pair[1] for pair in channels[:3]))
        flat = all(least == most for least, most in channels)
        shown = _stretched(shown, interval)
    flat = flat or all(least == most for least, most in channels)
    later = later_frames(image)
    return shown, Facts(kind, low, high, flat, hidden, later, not usable, parts)


def _stretched(image: Image.Image, interval: Interval | None) -> Image.Image:
    if interval is None:
        return image
    table = to_bytes(np.arange(256, dtype=np.uint8), BYTES, interval).tolist()
    colours = len(image.getbands()[:3])
    return image.point(table * colours + list(range(256)) * (image.mode == "RGBA"))


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
    """Return the pixels (H, W, C) of a Pillow image in mode L, RGB or RGBA, converted to `target`.

    Pillow resizes RGBA with premultiplied colours.
    """
    if target.channels in (1, 4):
        image = image.convert(MODES[target.channels].pillow)
    if target.size and target.size != (image.height, image.width):
        image = resized(image, target.size, target.fit)
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    pixels = pixels.repeat(3, axis=2) if target.channels == 3 > pixels.shape[2] else pixels
    return alpha.cleared(pixels)


def resized(image: Image.Image, size: tuple[int, int], how: str) -> Image.Image:
    """Return an image in another size (height, width): cropped, padded or stretched.

    What is padded is black, or transparent in mode RGBA.
    """
    from PIL import Image

    box: Box = (0.0, 0.0, float(image.width), float(image.height))
    inner = size
    if how == "crop":
        box = centre_box(image.height, image.width, size)
    elif how == "pad":
        scale = min(size[0] / image.height, size[1] / image.width)
        inner = max(1, round(image.height * scale)), max(1, round(image.width * scale))
    image = image.resize(inner[::-1], resample(box, inner), box=box)
    if inner == size:
        return image
    page = Image.new(image.mode, size[::-1])
    page.paste(image, ((size[1] - inner[1]) // 2, (size[0] - inner[0]) // 2))
    return page


def cropped_share(sizes: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float64]:
    """Return the part of each image of `sizes` (n, 2) that `centre_box` drops."""
    wanted, own = size[0] / size[1], sizes[:, 0] / sizes[:, 1]
    share: NDArray[np.float64] = 1 - np.minimum(wanted / own, own / wanted)
    return share


def fit_block(images: Images, target: Target) -> Images:
    """Convert a block of images (n, H, W, C); one that fits already is returned as it is."""
    if target.channels != 4 == images.shape[3]:
        images = alpha.over(images, parse_colour(target.background or "white"))
    if target.fits(images.shape):
        return alpha.cleared(images)
    from PIL import Image

    grey = images.shape[3] == 1
    planes = (np.ascontiguousarray(image[..., 0] if grey else image) for image in images)
    return np.stack([fit(Image.fromarray(plane), target) for plane in planes])
