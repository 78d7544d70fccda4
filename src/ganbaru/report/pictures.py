"""Images embedded in the page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from ganbaru.data.picture_file import UnreadableError, own_picture
from ganbaru.errors import InputError

MAX_WIDTH = 1040  # pixels: the page's width on a screen


def embedded(path: Path, width: int = MAX_WIDTH) -> str:
    """Return an image as a data URL, shrunk to at most `width` pixels."""
    try:
        picture, content = own_picture(path)
    except UnreadableError as error:
        raise InputError(
            f"The picture {path} is damaged ({error}). Delete it: the report is written without it."
        ) from error
    if picture.width > width:
        content = _shrunk(picture, width)
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def _shrunk(picture: Image.Image, width: int) -> bytes:
    stream, size = io.BytesIO(), (width, round(picture.height * width / picture.width))
    picture.resize(size, Image.Resampling.LANCZOS).save(stream, format="PNG")
    return stream.getvalue()
