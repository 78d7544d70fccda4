"""The checkpoint callback: saves every so many images and at the end."""

from __future__ import annotations

from ganbaru.gan.step import StepMetrics
from ganbaru.training import checkpoint
from ganbaru.training.run import Callback, Every, Run


class Checkpoints(Callback):
    """Saves every `checkpoint_every` images and at the end; deletes all but the newest `keep`."""

    def start(self, run: Run) -> None:
        self.every = Every(run.config.checkpoint_every, run.images)

    def step(self, run: Run, metrics: StepMetrics) -> None:
        if self.every.due(run.images):
            self._save(run)

    def end(self, run: Run) -> None:
        self._save(run)

    def _save(self, run: Run) -> None:
        run.save()
        for path in checkpoint.found(run.folder.checkpoints)[: -run.config.keep]:
            path.unlink()
