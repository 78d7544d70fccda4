"""Time-lapse films of the sample grids, whole and by class.

Each grid is appended as it is drawn, so a film can be watched during the run. A resumed run writes
its films again from the grids on disk, which gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path

from ganbaru import files
from ganbaru.callbacks import grid_layout
from ganbaru.sampling import image_io
from ganbaru.sampling.gif import Gif
from ganbaru.training.run import Callback, Run

FRAME, LAST = 15, 200  # how long a frame and the last one are shown, in centiseconds


class TimeLapse(Callback):
    """Films the whole grid, and each class if there are 2 to 16 of them; listed after `Samples`."""

    def start(self, run: Run) -> None:
        """Film the grids that are on disk, up to the current images."""
        names = grid_layout.class_names(run)
        if names:
            with files.writing(run.folder.class_timelapses):
                run.folder.class_timelapses.mkdir(exist_ok=True)
        self.films = {name: Gif(run.folder.class_timelapse(name)) for name in names}
        self.films[""] = Gif(run.folder.timelapse)  # of the whole grid
        for path in grid_layout.found(run):
            if int(path.stem) <= run.images:
                self.grid(run, path)

    def grid(self, run: Run, path: Path) -> None:
        sheets = {"": grid_layout.read(run, path), **grid_layout.by_class(run, path)}
        for name, film in self.films.items():
            film.append(image_io.picture(sheets[name]), FRAME)

    def end(self, run: Run) -> None:
        for film in self.films.values():
            film.hold(LAST)
