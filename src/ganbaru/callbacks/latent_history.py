"""The history picture: a row for each of some sample grids, a column for each fixed latent."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganbaru.callbacks import grid_layout
from ganbaru.sampling import image_io
from ganbaru.training.run import Callback, Run

ROWS, COLUMNS = 12, 16  # at most
SIDE = 48  # the least height and width of an image in it, in pixels
PAPER, INK = 24, 220  # the paper is as dark as the gaps of a grid


class History(Callback):
    """Draws history.png at the end, from the first rows of the sample grids."""

    def end(self, run: Run) -> None:
        image_io.write_png(run.folder.history, picture(run))


def picture(run: Run) -> Image.Image:
    """Draw images of at most 12 sample grids, evenly chosen, with the first and the last."""
    paths = grid_layout.found(run)
    chosen = np.linspace(0, len(paths) - 1, min(ROWS, len(paths))).round().astype(int)
    columns = min(COLUMNS, grid_layout.columns(run))
    images = np.concatenate([grid_layout.cut(run, paths[i])[:columns] for i in chosen])
    times = math.ceil(SIDE / max(images.shape[1:3]))
    sheet = image_io.picture(
        image_io.grid(images.repeat(times, 1).repeat(times, 2), columns, grid_layout.GAP)
    )
    return _labelled(sheet, [f"{int(paths[i].stem):,}" for i in chosen])


def _labelled(sheet: Image.Image, texts: list[str]) -> Image.Image:
    font = ImageFont.load_default()
    margin = math.ceil(max(font.getbbox(text)[2] for text in texts)) + 12
    paper = Image.new("L", (margin + sheet.width, sheet.height), PAPER).convert(sheet.mode)
    paper.paste(sheet, (margin, 0))
    pen, row = ImageDraw.Draw(paper), (sheet.height - grid_layout.GAP) / len(texts)
    ink = INK if sheet.mode == "L" else (*(INK,) * 3, 255)[: len(sheet.getbands())]
    for i, text in enumerate(texts):
        _, top, right, bottom = font.getbbox(text)
        middle = grid_layout.GAP / 2 + (i + 0.5) * row
        place = (round(margin - 6 - right), round(middle - (top + bottom) / 2))
        pen.text(place, text, fill=ink, font=font)
    return paper
