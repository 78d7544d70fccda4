"""The picture of neighbours: a generated image in each row, then the nearest training images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ganbaru import files
from ganbaru.metrics.nearest import Images, Nearest
from ganbaru.sampling import image_io

ROWS, COLUMNS = 8, 5  # of each kind; training images beside each generated one
SIDE, GAP, LINE = 72, 8, 18  # of an image at least, between them, and of a line of text
PAPER, INK, FAINT = (24, 24, 24), (230, 230, 230), (150, 150, 150)


@dataclass(frozen=True)
class Neighbours:
    """Generated images (N, H, W, C), what was found near them, and the training images."""

    images: Images
    found: Nearest
    ratios: NDArray[np.floating]
    training: Images
    first: int  # the first image's number

    def rows(self) -> list[tuple[str, list[int]]]:
        """Return what is shown: the likeliest copies, and images as they come."""
        likeliest = np.argsort(self.ratios, kind="stable")[:ROWS].tolist()
        usual = [i for i in range(len(self.images)) if i not in likeliest][:ROWS]
        return [("nearest to the training set", likeliest), ("as they come", usual)]


def save(shown: Neighbours, path: Path) -> None:
    """Draw both halves side by side and write a PNG."""
    parts = [_half(shown, heading, chosen) for heading, chosen in shown.rows()]
    width = sum(part.width for part in parts)
    sheet = Image.new("RGB", (width, max(part.height for part in parts)), PAPER)
    sheet.paste(parts[0], (0, 0))
    sheet.paste(parts[1], (parts[0].width, 0))
    with files.replacing(path) as temporary:
        sheet.save(temporary, format="PNG")


def _half(shown: Neighbours, heading: str, chosen: list[int]) -> Image.Image:
    times = max(1, math.ceil(SIDE / max(shown.images.shape[1:3])))
    high, wide = (times * side for side in shown.images.shape[1:3])
    wide_cell = max(wide, SIDE) + GAP
    size = (GAP + (1 + COLUMNS) * wide_cell + GAP, 3 * LINE + len(chosen) * (high + LINE + GAP))
    sheet = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    pen.text((GAP, 4), heading, fill=INK, font=font)
    pen.text((GAP, 4 + LINE), "generated", fill=FAINT, font=font)
    pen.text((2 * GAP + wide_cell, 4 + LINE), "nearest training images: distance", fill=FAINT,
             font=font)  # fmt: skip
    for row, i in enumerate(chosen):
        top = 3 * LINE + row * (high + LINE + GAP)
        cells = [(shown.images[i], str(shown.first + i), INK), *_training(shown, i)]
        for column, (image, text, ink) in enumerate(cells):
            left = GAP + column * wide_cell + (GAP if column else 0)
            sheet.paste(image_io.picture(image.repeat(times, 0).repeat(times, 1)), (left, top))
            pen.text((left, top + high + 1), text, fill=ink, font=font)
    return sheet


def _training(shown: Neighbours, i: int) -> list[tuple[Images, str, tuple[int, int, int]]]:
    pairs = zip(shown.found.places[i], shown.found.distances[i], strict=True)
    return [
        (shown.training[place], f"{distance:.2f}", FAINT) for place, distance in [*pairs][:COLUMNS]
    ]
