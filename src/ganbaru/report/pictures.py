"""Pictures inside the page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from ganbaru.errors import InputError

MOST = 1040  # pixels across: the page's width on a screen


def embedded(path: Path, most: int = MOST) -> str:
    """Return a picture as a data address, shrunk to at most `most` pixels across."""
    try:
        with Image.open(path) as picture:
            picture.load()  # all of it: a file cut short is told of here
            content = _shrunk(picture, most) if picture.width > most else path.read_bytes()
    except (OSError, SyntaxError) as error:  # Pillow's for damage
        raise InputError(
            f"The picture {path} is damaged ({error}). Delete it: the report does without it."
        ) from error
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def _shrunk(picture: Image.Image, most: int) -> bytes:
    height = round(picture.height * most / picture.width)
    stream = io.BytesIO()
    picture.resize((most, height), Image.Resampling.LANCZOS).save(stream, format="PNG")
    return stream.getvalue()
