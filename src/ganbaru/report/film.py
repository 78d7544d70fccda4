"""The film of a report: sample grids over time, one of them large, without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ganbaru.report.markup import Markup, tag
from ganbaru.report.pictures import embedded
from ganbaru.report.translations import both, picture

MAX_GRIDS, FRAME = 6, 640  # frames of the film, and their width in pixels at most


def film(grids: Sequence[Path]) -> Markup:
    """Return the sample grids as frames, one of them large: radio buttons, or played by CSS."""
    count = len(grids)
    if not count:
        return tag("section", tag("h2", both("film")))
    places = np.linspace(0, count - 1, min(MAX_GRIDS, count)).round().astype(int)
    frames = [_frame(grids[k], i, k == count - 1) for i, k in enumerate(places)]
    play = tag("label", tag("input", type="checkbox"), both("play_film"), class_="play")
    top = tag("div", tag("h2", both("film")), play if frames[1:] else Markup(), class_="film-top")
    strip = tag("div", *frames, class_="frames", style=f"--n:{len(frames)}")
    return tag("section", top, strip, class_="film")


def _frame(grid: Path, place: int, shown: bool) -> Markup:
    chosen = {"checked": ""} if shown else {}
    image = picture("grid_of", embedded(grid, FRAME))
    caption = tag("span", both("frame", f"{int(grid.stem):,}"), class_="caption")
    return tag(
        "label",
        tag("input", type="radio", name="frame", **chosen),
        image,
        caption,
        class_="frame",
        style=f"--i:{place}",
    )
