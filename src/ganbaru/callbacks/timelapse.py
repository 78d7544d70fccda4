"""Time-lapse films: the sample grids in turn, whole and for each class; each grid is added once.

A film can be watched while the run lasts. A run that goes on makes its films anew from the grids on
disk, which gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path

from ganbaru import files
from ganbaru.callbacks import grid_layout
from ganbaru.sampling import image_io
from ganbaru.sampling.gif import Gif
from ganbaru.training.loop import Run

FRAME, LAST = 15, 200  # for how long a frame and the last one are shown, in centiseconds


class TimeLapse:
    """Films the whole grid, and each class if there are 2 to 16 of them."""

    def start(self, run: Run) -> None:
        """Film what was drawn before, if the run goes on."""
        self.whole = Gif(run.folder.timelapse)
        self.classes = {
            name: Gif(run.folder.class_timelapse(name)) for name in grid_layout.class_names(run)
        }
        if self.classes:
            with files.writing(run.folder.class_timelapses):
                run.folder.class_timelapses.mkdir(exist_ok=True)
        for path in grid_layout.found(run):
            self.grid(run, path)

    def grid(self, run: Run, path: Path) -> None:
        """Add a frame to each film."""
        self.whole.append(image_io.picture(grid_layout.read(run, path)), FRAME)
        for name, sheet in grid_layout.by_class(run, path).items():
            self.classes[name].append(image_io.picture(sheet), FRAME)

    def end(self, run: Run) -> None:
        """Hold the last frame."""
        for film in (self.whole, *self.classes.values()):
            film.hold(LAST)
