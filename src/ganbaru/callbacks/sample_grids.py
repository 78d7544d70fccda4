"""Sample grids: the same seeds drawn every so many images, and whoever looks at each grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ganbaru.callbacks import grid_layout
from ganbaru.callbacks.log import Every
from ganbaru.gan.step import Report
from ganbaru.sampling import image_io
from ganbaru.training.loop import Run


class Watcher(Protocol):
    """What is made of the sample grids while a run lasts."""

    def start(self, run: Run) -> None:
        """Begin; the grids that the run has drawn up to here are on disk."""

    def grid(self, run: Run, path: Path) -> None:
        """Look at a grid that was just drawn."""

    def end(self, run: Run) -> None:
        """Finish, after the last grid."""


class Samples:
    """Draws the same seeds every so many images, and shows each grid to the watchers."""

    def __init__(self, watchers: Sequence[Watcher] = ()) -> None:
        self.watchers = watchers

    def start(self, run: Run) -> None:
        """Draw the untrained generator, or drop what was drawn after the checkpoint."""
        for path in grid_layout.found(run):
            if int(path.stem) > run.images:
                path.unlink()
        for watcher in self.watchers:
            watcher.start(run)
        # From the step before, so that a grid is drawn that is due at this very moment, such as
        # the first of all, or one for which a killed run had no time.
        before = run.images - run.draw.images(run.step - 1) if run.step else -1
        self.every = Every(run.config.sample_every, before)
        self.step(run, {})

    def step(self, run: Run, report: Report) -> None:
        """Draw when a grid is due."""
        if self.every.due(run.images):
            self._draw(run)

    def end(self, run: Run) -> None:
        """Draw the last grid."""
        self._draw(run)
        for watcher in self.watchers:
            watcher.end(run)

    def _draw(self, run: Run) -> None:
        path = run.folder.sample(run.images)
        if path.exists():
            return
        run.fetched("ema"), run.fetched("ema_buffers")  # a diverged generator is not drawn
        image_io.save_png(path, grid_layout.drawn(run))
        for watcher in self.watchers:
            watcher.grid(run, path)
