"""Periodic evaluation: scores of the averaged generator during training.

Without intervals, classification accuracy (CAS) and kernel distance (a mean over 100 subsets),
which take most of the time of `ganbaru evaluate`. The other numbers are those of `evaluate` for the
same checkpoint and count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from ganbaru import data, metrics
from ganbaru.callbacks.every import Every
from ganbaru.callbacks.measurement import Measurement
from ganbaru.data import Progress
from ganbaru.errors import InputError
from ganbaru.metrics import Evaluator, milestones
from ganbaru.metrics.candidates import Trained
from ganbaru.metrics.classifier import Images, Labels
from ganbaru.metrics.definitions import measured
from ganbaru.metrics.disk_cache import kept
from ganbaru.metrics.evaluator import view
from ganbaru.metrics.passport import differences
from ganbaru.sampling import generators
from ganbaru.training.run import Run
from ganbaru.training.run_log import Line

LEFT_OUT = "kernel"


class PeriodicEvaluation(Measurement):
    """Scores the generator in the first full line of the log after each `evaluate_every` images.

    Always on the same seeds, against the same real images. The training's clock is stopped.
    """

    evaluator: Evaluator
    floors: Line  # the scores of real images in the fakes' place

    def setup(self, run: Run, progress: Progress) -> None:
        """Build the evaluator, if the run is configured to score; may train its scorer.

        Raises InputError where there are too few images, with the flag to do without.
        """
        if not run.config.evaluate_every:
            return
        try:
            self.evaluator = metrics.evaluator_for(_candidate(run), progress=progress)
        except InputError as error:
            raise InputError(f"{error} To train without scores: --evaluate-every 0.") from error
        shape = run.source.images.shape[1:]
        self.passport = self.evaluator.passport(len(self.evaluator.view), shape)
        self.floors = self._floors(bool(run.classes))

    def start(self, run: Run, lines: Sequence[Line]) -> None:
        """Write milestones.json; raises InputError if earlier scores cannot be compared."""
        if not run.config.evaluate_every:
            return
        self.every = Every(run.config.evaluate_every, int(lines[-1]["images"]) if lines else 0)
        before = milestones.passport(run.folder)
        if before and (found := differences(before, self.passport)):
            raise InputError(
                f"The scores that {run.folder.path} has so far cannot be compared with new ones, "
                f"which would be measured differently ({'; '.join(found)}). Go on with the same "
                f"data and --evaluate-images, or without scores: --evaluate-every 0."
            )
        milestones.write(run.folder, self.passport, self.floors)

    def values(self, run: Run, short: bool) -> Line:
        """Return the scores if they are due; a short line has none."""
        due = run.config.evaluate_every and not short and self.every.due(run.images)
        return self.score(run) if due else {}

    def score(self, run: Run) -> Line:
        with run.paused():
            run.fetched("ema"), run.fetched("ema_buffers")  # raises if the generator diverged
            images, labels = _candidate(run).images(len(self.evaluator.view), 0, data.silent)
            return _scores(self.evaluator, images, labels)

    def _floors(self, labelled: bool) -> Line:
        """Return the scores of held-out real images, from the disk cache if it has them."""
        key = json.dumps([asdict(self.passport), labelled, "milestones"])
        name = f"floors-{hashlib.sha256(key.encode()).hexdigest()[:20]}.json"
        reals, count = self.evaluator.reals, len(self.evaluator.view)
        labels = reals.held_out_labels if labelled else None
        labels = None if labels is None else labels[:count]

        def compute() -> bytes:
            return json.dumps(_scores(self.evaluator, reals.held_out[:count], labels)).encode()

        content, _ = kept(name, compute)
        floors: Line = json.loads(content)
        return floors


def _candidate(run: Run) -> Trained:
    config = run.config
    return Trained(
        name=str(run.folder.path),
        folder=run.folder.path,
        checkpoint=run.folder.checkpoint(run.images),
        shape=run.source.images.shape[1:],
        data=config.data,
        data_dir=config.data_dir,
        channels=config.channels,
        generator=generators.from_run(run),
        most=config.evaluate_images,
    )


def _scores(by: Evaluator, images: Images, labels: Labels | None) -> Line:
    fake = view(by.scorer, by.scorer.resize(images), labels, data.silent)
    few = [(np.arange(2), np.arange(2))]  # the fewest that a kernel distance takes
    values, _ = measured(by.view, fake, by.truth, lambda reals, fakes: few)
    return {name: value for name, value in values.items() if name != LEFT_OUT}
