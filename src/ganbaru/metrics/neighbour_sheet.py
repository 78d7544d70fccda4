"""The neighbour sheet: in each row a generated image, then the nearest training images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ganbaru.data import alpha
from ganbaru.metrics.nearest import Images, Nearest
from ganbaru.sampling import image_io

ROWS, COLUMNS = 8, 5  # of each half; training images beside each generated one
SIDE, GAP, LINE = 72, 8, 18  # pixels: an image at least, the space between, a line of text
PAPER, INK, FAINT = (24, 24, 24), (230, 230, 230), (150, 150, 150)


@dataclass(frozen=True)
class Neighbours:
    """Generated images (N, H, W, C), their nearest neighbours, and the training images."""

    images: Images
    found: Nearest
    ratios: NDArray[np.floating]
    training: Images
    first: int  # the first image's seed or index

    def rows(self) -> list[tuple[str, list[int]]]:
        """Return headings and image indices: the likeliest copies, and the first others."""
        likeliest = np.argsort(self.ratios, kind="stable")[:ROWS].tolist()
        others = [i for i in range(len(self.images)) if i not in likeliest][:ROWS]
        return [("nearest to the training set", likeliest), ("the first others", others)]


def save(shown: Neighbours, path: Path) -> None:
    """Write both halves side by side as PNG."""
    parts = [_half(shown, heading, chosen) for heading, chosen in shown.rows()]
    width = sum(part.width for part in parts)
    sheet = Image.new("RGB", (width, max(part.height for part in parts)), PAPER)
    sheet.paste(parts[0], (0, 0))
    sheet.paste(parts[1], (parts[0].width, 0))
    image_io.write_png(path, sheet)


def _half(shown: Neighbours, heading: str, chosen: list[int]) -> Image.Image:
    scale = max(1, math.ceil(SIDE / max(shown.images.shape[1:3])))
    height, width = (scale * side for side in shown.images.shape[1:3])
    cell, row_height = max(width, SIDE) + GAP, height + LINE + GAP
    size = (GAP + (1 + COLUMNS) * cell + GAP, 3 * LINE + len(chosen) * row_height)
    sheet = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    pen.text((GAP, 4), heading, fill=INK, font=font)
    pen.text((GAP, 4 + LINE), "generated", fill=FAINT, font=font)
    caption = "nearest training images: distance"
    pen.text((2 * GAP + cell, 4 + LINE), caption, fill=FAINT, font=font)
    for row, i in enumerate(chosen):
        top = 3 * LINE + row * row_height
        cells = [(shown.images[i], str(shown.first + i), INK), *_training(shown, i)]
        for column, (image, text, ink) in enumerate(cells):
            left = GAP + column * cell + (GAP if column else 0)
            shown_image = alpha.over_checker(image.repeat(scale, 0).repeat(scale, 1))
            sheet.paste(image_io.picture(shown_image), (left, top))
            pen.text((left, top + height + 1), text, fill=ink, font=font)
    return sheet


def _training(shown: Neighbours, i: int) -> list[tuple[Images, str, tuple[int, int, int]]]:
    pairs = zip(shown.found.indices[i], shown.found.distances[i], strict=True)
    return [
        (shown.training[index], f"{distance:.2f}", FAINT) for index, distance in [*pairs][:COLUMNS]
    ]
