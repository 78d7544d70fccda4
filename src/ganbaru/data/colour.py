"""Colours to sRGB, and transparency over a colour: any mode of Pillow's becomes grey or RGB."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from ganbaru.coerce import parse_colour

if TYPE_CHECKING:
    from PIL import Image  # 30 ms, and only needed where pictures are decoded

FLAT = 16  # differences of bytes that are hardly seen
# Modes of Pillow's to which a profile of a colour space applies.
SPACES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "LAB": "LAB"}


def to_srgb(image: Image.Image) -> tuple[Image.Image, bool]:
    """Return the picture in sRGB, in mode L, LA, RGB or RGBA, and whether its profile was usable.

    Pictures without a profile are taken as sRGB; Lab has its own meaning.
    """
    grey, alpha = _is_grey(image), None
    if image.has_transparency_data:
        image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        alpha = image.getchannel("A")
    mode = image.mode if image.mode in ("L", "CMYK", "LAB") and alpha is None else "RGB"
    profile = image.info.get("icc_profile")
    colours = image if image.mode == mode else image.convert(mode)
    usable = True
    if profile or mode == "LAB":
        colours, usable = _managed(colours, profile if isinstance(profile, bytes) else b"")
    colours = colours.convert("L" if grey else "RGB")
    if alpha is not None:
        colours.putalpha(alpha)
    return colours, usable


def over(image: Image.Image, background: str | None) -> tuple[Image.Image, bool]:
    """Return a picture over a colour instead of transparency, and whether that hides what it shows.

    White by default, as cut-out pictures are shown; black would swallow dark outlines.
    """
    from PIL import Image

    if image.mode in ("L", "RGB"):
        return image, False
    colour = parse_colour(background or "white")
    grey = image.mode == "LA" and len({*colour}) == 1
    page = Image.new("L" if grey else "RGB", image.size, colour[0] if grey else colour)
    page.paste(image.convert(page.mode), mask=image.getchannel("A"))
    return page, _is_plain(page) and not _is_plain(image)


def transparent(image: Image.Image) -> bool:
    """Return whether a picture in mode L, LA, RGB or RGBA has transparent parts."""
    return image.mode in ("LA", "RGBA") and extrema(image)[-1][0] < 255


def _is_plain(image: Image.Image) -> bool:
    return all(high - low <= FLAT for low, high in extrema(image))


def extrema(image: Image.Image) -> list[tuple[int, int]]:
    """Return the smallest and the largest value of each channel."""
    found: Any = image.getextrema()
    return [found] if image.getbands() == ("L",) else list(found)


def _is_grey(image: Image.Image) -> bool:
    if image.mode in ("P", "PA"):
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La")


def _managed(image: Image.Image, profile: bytes) -> tuple[Image.Image, bool]:
    """Return the picture by its profile; unchanged, and False, if that is damaged or of others."""
    from PIL import ImageCms

    try:
        transform = _transform(profile, image.mode)
        return (image if transform is None else transform.apply(_as_taken(image, profile))), True
    # Of ImageCms, and of a Pillow that was built without it.
    except (ImageCms.PyCMSError, OSError, ValueError, ImportError):
        if image.mode == "LAB":
            return _managed(image, b"")[0], False
        return image, False


def _as_taken(image: Image.Image, profile: bytes) -> Image.Image:
    """Return a grey picture in RGB if its profile is of that."""
    return image.convert("RGB") if image.mode == "L" and _space(profile) == "RGB" else image


@functools.lru_cache(16)
def _space(profile: bytes) -> str:
    from PIL import ImageCms

    return str(ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space).strip().upper()


@functools.lru_cache(16)
def _transform(profile: bytes, mode: str) -> Any:
    """Return what converts a mode to sRGB; None if that changes no value by more than 2.

    Most profiles are sRGB's, in one of a dozen versions whose curves differ by rounding.
    """
    from PIL import Image, ImageCms

    if profile:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        taken = SPACES.get(_space(profile), "")
    else:
        given, taken = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB"
    if taken != mode and (mode, taken) != ("L", "RGB"):
        raise ValueError(f"a profile of {taken or 'another space'} on {mode}")
    transform = ImageCms.buildTransform(given, ImageCms.createProfile("sRGB"), taken, "RGB")
    if taken in ("L", "RGB"):
        steps = np.arange(0, 256, 17, dtype=np.uint8)
        cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(64, 64, 3)
        before = Image.fromarray(cube[..., 0] if taken == "L" else cube)
        after = np.asarray(transform.apply(before), np.int16)
        if np.abs(after - np.asarray(before.convert("RGB"), np.int16)).max() <= 2:
            return None
    return transform
