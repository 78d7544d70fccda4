"""Digits with known attributes: python -m bench.attributes OUTPUT.zip [COUNT].

MNIST's digits are turned by an angle (-40 to 40 degrees), drawn with a pen's brightness (0.4 to 1)
and for half of them bold (a 3x3 maximum). Bold ones are more often turned to the left, so that the
attributes depend on each other. The zip has ``metadata.csv`` beside the pictures; train with
``--label-file metadata.csv:angle,brightness,bold --conditioning projection``.
"""

from __future__ import annotations

import csv
import io
import sys
import zipfile

import numpy as np
from PIL import Image, ImageFilter

from ganbaru import data


def drawn(count: int) -> np.ndarray:
    """Return angle, brightness and bold (count, 3)."""
    random = np.random.default_rng(0)
    angle, brightness = random.uniform(-40, 40, count), random.uniform(0.4, 1, count)
    bold = random.uniform(size=count) < 0.5 + 0.25 * angle / 40
    return np.stack([angle, brightness, bold], axis=1)


def picture(digit: np.ndarray, angle: float, brightness: float, bold: float) -> Image.Image:
    """Return a digit (28, 28) with its attributes."""
    made = Image.fromarray(digit)
    if bold:
        made = made.filter(ImageFilter.MaxFilter(3))
    turned = made.rotate(angle, Image.Resampling.BICUBIC)
    return Image.fromarray((np.asarray(turned) * brightness).round().astype(np.uint8))


def main(output: str, count: int = 20_000) -> None:
    """Write the zip."""
    digits = data.load("mnist").images[:count, :, :, 0]
    rows = drawn(count)
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["file_name", "angle", "brightness", "bold"])
    with zipfile.ZipFile(output, "w") as archive:
        for i, (digit, row) in enumerate(zip(digits, rows, strict=True)):
            stream = io.BytesIO()
            picture(digit, *row).save(stream, "PNG")
            archive.writestr(f"images/{i:05d}.png", stream.getvalue())
            writer.writerow([f"images/{i:05d}.png", *row[:2].round(3), int(row[2])])
        archive.writestr("metadata.csv", table.getvalue())


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
