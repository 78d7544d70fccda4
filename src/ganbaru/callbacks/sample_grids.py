"""Sample grids: images of the same seeds, drawn every so many images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ganbaru.callbacks import grid_layout
from ganbaru.data import silent
from ganbaru.gan.step import StepMetrics
from ganbaru.sampling import generators, image_io, writers
from ganbaru.training.run import Callback, Every, Run


class Samples(Callback):
    """Draws seeds from 0 every `sample_every` images, and calls `grid` of all callbacks.

    With attributes, a row is a seed, and columns are its attributes at their low and high ends.
    """

    def start(self, run: Run) -> None:
        """Delete the grids that are newer than the checkpoint; draw one if it is due now."""
        for path in grid_layout.found(run):
            if int(path.stem) > run.images:
                path.unlink()
        # Counted from the step before, so that a grid is due at step 0, and after a step for whose
        # grid a killed run had no time.
        before = run.images - run.sampler.images(run.step - 1) if run.step else -1
        self.every = Every(run.config.sample_every, before)
        if self.every.due(run.images):
            self._draw(run, run.callbacks[: run.callbacks.index(self)])  # the others start later

    def step(self, run: Run, metrics: StepMetrics) -> None:
        if self.every.due(run.images):
            self._draw(run, run.callbacks)

    def end(self, run: Run) -> None:
        self._draw(run, run.callbacks)

    def _draw(self, run: Run, notified: Sequence[Callback]) -> None:
        path = run.folder.sample(run.images)
        if path.exists():
            return
        run.fetched("ema"), run.fetched("ema_buffers")  # raises if the generator diverged
        generator = generators.from_run(run)
        job = writers.every_label if run.attributes else writers.each_seed
        count = grid_layout.ROWS * (1 if run.attributes else grid_layout.columns(run))
        made = job(generator, count, 0, None, truncation=1.0, progress=silent).batches()
        images = np.concatenate([some for some, _ in made])
        image_io.save_png(path, grid_layout.arranged(run, images))
        for callback in notified:
            callback.grid(run, path)
