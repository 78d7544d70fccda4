"""One picture file to pixels: any mode Pillow knows, upright, opaque, grey or RGB."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ganbaru.data.resize import fit
from ganbaru.data.source import Images, Want

# No photograph needs more: Pillow refuses over 179 million pixels, and compressed they are fewer
# bytes than this. Archives can claim any size.
MOST_BYTES = 512 * 2**20

# fmt: off
SUFFIXES = frozenset((
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".ico", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg",
    ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp",
))
# fmt: on


@dataclass(frozen=True)
class Shot:
    """One decoded file: its fitted pixels and original sides, or the reason why there are none."""

    pixels: Images | None
    height: int = 0
    width: int = 0
    reason: str = ""


def decode(data: bytes, want: Want) -> Shot:
    """Decode a picture file; whatever is wrong with it ends up in the `reason`."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            shrink_early(image, want)
            lying = image.size
            ImageOps.exif_transpose(image, in_place=True)
            if image.size != lying:
                width, height = height, width
            return Shot(fit(opaque(image), want), height, width)
    # Pillow's forty decoders, fed damaged files, raise anything from SyntaxError to struct.error.
    except Exception as error:
        return Shot(None, reason=_reason(error, data))


def shrink_early(image: Image.Image, want: Want) -> None:
    """Let the JPEG decoder halve a large photograph while it still has twice the pixels wanted.

    A 12-megapixel photograph then takes 28 ms instead of 174, and Lanczos does the rest.
    """
    if want.size:
        least = 2 * max(want.size) / min(image.size)
        image.draft(image.mode, (int(image.width * least) + 1, int(image.height * least) + 1))


def opaque(image: Image.Image) -> Image.Image:
    """Return the picture in mode L if it is grey and in RGB if not, transparency over white.

    White, because that is what cut-out pictures are shown on; black would swallow dark outlines.
    """
    if image.mode.startswith("I"):
        return _from_16_bits(image)
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


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Scale 0..65535 to 0..255; mode I holds 16-bit files too, in 32 bits."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("pixels exceed 16 bits and have no fixed range; save it with 8 or 16 bits")
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))


def brief(error: Exception) -> str:
    """Return the first words of an error, since some libraries quote half the file."""
    return str(error).rstrip(".")[:80] or type(error).__name__


def _reason(error: Exception, data: bytes) -> str:
    if not data:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return "not a picture"
    if isinstance(error, Image.DecompressionBombError):
        return "more pixels than a picture may have"
    return brief(error)
