"""Sheets of images in rows, each with a caption above it, as one PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganbaru.data import alpha
from ganbaru.sampling import image_io
from ganbaru.sampling.image_io import Images

SIDE, GAP, LINE = 64, 6, 18  # pixels: an image at least, the space between, a line of text
PAPER, INK = (24, 24, 24), (230, 230, 230)

Row = tuple[str, Sequence[Images]]  # a caption, and images (H, W, C) of one size


def save(path: Path, heading: Sequence[str], rows: Sequence[Row], columns: int = 1) -> None:
    """Write rows below the lines of a heading, in `columns` of rows side by side."""
    height, width = rows[0][1][0].shape[:2]
    scale = max(1, math.ceil(SIDE / max(height, width)))
    font, deep = ImageFont.load_default(size=13), scale * height + LINE + GAP
    most = max(len(images) for _, images in rows)
    wide = max(
        GAP + most * (scale * width + GAP) + GAP,
        *(round(font.getlength(caption)) + 3 * GAP for caption, _ in rows),
    )
    top, lines = GAP + len(heading) * LINE, math.ceil(len(rows) / columns)
    across = min(columns, len(rows)) * wide
    titled = max([across, *(round(font.getlength(line)) + 2 * GAP for line in heading)])
    sheet = Image.new("RGB", (titled, top + lines * deep), PAPER)
    pen = ImageDraw.Draw(sheet)
    for i, line in enumerate(heading):
        pen.text((GAP, GAP + i * LINE), line, fill=INK, font=font)
    for i, (caption, images) in enumerate(rows):
        left, y = i % columns * wide + GAP, top + i // columns * deep
        pen.text((left, y), caption, fill=INK, font=font)
        for k, image in enumerate(images):
            shown = alpha.over_checker(image.repeat(scale, 0).repeat(scale, 1))
            place = (left + k * (scale * width + GAP), y + LINE)
            sheet.paste(image_io.picture(np.ascontiguousarray(shown)).convert("RGB"), place)
    image_io.write_png(path, sheet)
