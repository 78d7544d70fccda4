"""Pictures of the user's for a generator: read, and fitted to its images as in training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ganbaru.config import Config
from ganbaru.data import claims
from ganbaru.data.picture import Decoded, decode
from ganbaru.data.picture_file import UnreadableError, brief, open_picture, reason
from ganbaru.data.source import Target
from ganbaru.errors import InputError
from ganbaru.sampling.image_io import Images

MOST = 1_000  # pictures at once
# Of uploads: formats that one picture of a body takes long to decode in are not among them (an icon
# has up to 64 pictures). RGBA of so many pixels takes 130 MiB while it is decoded.
UPLOADS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
PIXELS, SCANS = 2**23, 64


def read(
    paths: Sequence[str | Path], shape: tuple[int, int, int], config: Config
) -> tuple[Images, str]:
    """Return pictures (N, H, W, C) as images of `shape` (H, W, C), and a note on what changed.

    They are cropped, padded or stretched as the run's images were. The note is "" if all had the
    size already. Raises InputError for a file that is no picture.
    """
    if not 1 <= len(paths) <= MOST:
        raise InputError(f"Got {len(paths):,} pictures: give 1 to {MOST:,}.")
    height, width, channels = shape
    target = Target((height, width), channels, config.fit, config.range)
    images, others = [], 0
    for path in paths:
        found = _decoded(Path(path), target)
        images.append(found.pixels)
        others += found.size != (height, width)
    how = {"crop": "cropped to the middle and resized", "pad": "resized and padded"}
    way = how.get(config.fit, "stretched")
    note = f"{others} of {len(paths)} pictures {way} to {height}x{width}, as in training"
    return np.stack(images), note if others else ""


def uploaded(data: bytes, shape: tuple[int, int, int], config: Config) -> Images:
    """Return the content of a picture file of a stranger as an image (1, H, W, C) of `shape`.

    Raises InputError for what is no picture of `UPLOADS`, and for one that would take seconds to
    decode: of more than `PIXELS`, or a JPEG that is painted over `SCANS` times.
    """
    height, width, channels = shape
    try:
        with open_picture(data, UPLOADS) as image:
            if image.width * image.height > PIXELS:
                size = f"{image.width} x {image.height}"
                raise UnreadableError(f"it has {size} pixels, and at most {PIXELS:,} are taken")
            if image.format == "JPEG" and data.count(b"\xff\xda") > SCANS:
                raise UnreadableError("it is a JPEG of too many scans")
        found = decode(data, Target((height, width), channels, config.fit, config.range))
    except Exception as error:  # damaged files make Pillow raise anything
        text = str(error) if isinstance(error, UnreadableError) else reason(error, data)
        raise InputError(
            f"Cannot read the picture: {text.rstrip('.')}. Send one as {', '.join(UPLOADS)}."
        ) from error
    return found.pixels[None]


def _decoded(path: Path, target: Target) -> Decoded:
    try:
        return decode(claims.read_regular(path), target)
    except (OSError, UnreadableError) as error:
        reason = brief(error) if isinstance(error, OSError) else str(error)
        raise InputError(
            f"Cannot read the picture {path}: {reason}. Give pictures, such as a PNG or JPEG."
        ) from error
