"""Periodic evaluation: scores of the averaged generator during training.

Without intervals, classification accuracy (CAS) and kernel distance (a mean over 100 subsets),
which take most of the time of `ganbaru evaluate`. The other numbers are those of `evaluate` for the
same checkpoint and count, but for the seeds.
"""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru import data, metrics
from ganbaru.data import Progress
from ganbaru.errors import InputError
from ganbaru.metrics import Evaluator, Passport, candidates, evaluation, milestones
from ganbaru.metrics.candidates import Candidate
from ganbaru.metrics.passport import differences
from ganbaru.sampling import generators
from ganbaru.training.run import Every, Measurement, Run
from ganbaru.training.run_log import Line

SEED = 1 << 32  # the first seed; `evaluate` counts from 0


class PeriodicEvaluation(Measurement):
    """Scores the generator in the first full line of the log after each `evaluate_every` images.

    Always on the same seeds, against the same real images, and by the scorer of the run's earlier
    scores, or of those `like` it. The training's clock is stopped. The seeds are others than those
    of `evaluate`, which scores the best checkpoint: the best of many scores is better on the seeds
    that chose it than on others.
    """

    def __init__(self, like: Passport | None = None) -> None:
        self.like = like

    evaluator: Evaluator
    baselines: Line  # the scores of real images

    def setup(self, run: Run, progress: Progress) -> None:
        """Build the evaluator, if the run is configured to score; may train its scorer.

        Raises InputError where there are too few images, with the flag to do without.
        """
        if not run.config.evaluate_every:
            return
        before = milestones.passport(run.folder) if run.images else None
        try:
            self.evaluator = metrics.evaluator_for(
                _candidate(run),
                scorer=evaluation.scorer_of(before or self.like),
                engine=run.engine.name,
                device=run.engine.device,
                progress=progress,
            )
        except InputError as error:
            raise InputError(f"{error} To train without scores: --evaluate-every 0.") from error
        count = len(self.evaluator.reference)
        rule = "shares" if run.classes else ""
        self.passport = self.evaluator.passport(count, run.source.images.shape[1:], rule)
        self.baselines = self.evaluator.baselines(count, bool(run.classes), quick=True)

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
        milestones.write(run.folder, self.passport, self.baselines)

    def values(self, run: Run, short: bool) -> Line:
        """Return the scores if they are due; a short line has none."""
        due = run.config.evaluate_every and not short and self.every.due(run.images)
        return self.score(run) if due else {}

    def score(self, run: Run) -> Line:
        """Score the averaged generator."""
        with run.paused():
            run.fetched("ema"), run.fetched("ema_buffers")  # raises if the generator diverged
            candidate, count = _candidate(run), len(self.evaluator.reference)
            shares = evaluation.class_shares(candidate, run.source)
            images, labels = candidate.images(count, SEED, data.silent, shares)
            return self.evaluator.quick_scores(images, labels)


def _candidate(run: Run) -> Candidate:
    return candidates.of_generator(
        generators.from_run(run),
        run.folder.checkpoint(run.images),
        str(run.folder.path),
        run.source.images.shape[1:],
        config=run.config,
        most=run.config.evaluate_images,
    )
