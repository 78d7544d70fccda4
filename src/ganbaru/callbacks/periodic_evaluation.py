"""Scores of the averaged generator at a run's milestones, without what takes long.

No interval, no pupil (CAS) and no kernel distance (a mean over 100 subsets): they take most of the
time of `ganbaru evaluate`, whose other numbers these are for the same checkpoint and count.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbaru import data, files
from ganbaru.data import Progress
from ganbaru.errors import InputError

if TYPE_CHECKING:
    from ganbaru.metrics import Evaluator, Passport
    from ganbaru.metrics.candidates import RunSamples
    from ganbaru.training.loop import Run
    from ganbaru.training.run_folder import Folder

# What the best checkpoint is the best by, lower being better. The Fréchet distance falls both when
# pictures get better and when more kinds of them are made; coverage saturates.
MEASURE = "frechet"

Values = dict[str, float]


@dataclass(frozen=True)
class PeriodicEvaluator:
    """Scores a run's generator, always on the same seeds against the same real images."""

    evaluator: Evaluator
    passport: Passport
    floors: Values  # what real images get in the fakes' place

    def values(self, run: Run) -> Values:
        """Score the averaged generator; its time is not the training's."""
        began = time.perf_counter()
        run.fetched("ema"), run.fetched("ema_buffers")  # a diverged generator is not scored
        images, labels = _entrant(run).images(len(self.evaluator.reference), 0, data.silent)
        values = self.evaluator.quick_scores(images, labels)
        run.aside += time.perf_counter() - began
        return values


def load(run: Run, progress: Progress = data.silent) -> PeriodicEvaluator | None:
    """Make the examiner that a run's configuration asks for, None if it asks for none.

    Trains the scorer unless the cache has it. Raises InputError, saying how to do without, where
    there are too few images.
    """
    if not run.config.evaluate_every:
        return None
    from ganbaru import metrics

    try:
        evaluator = metrics.evaluator_for(_entrant(run), progress=progress)
    except InputError as error:
        raise InputError(f"{error} To train without scores: --evaluate-every 0.") from error
    count = len(evaluator.reference)
    passport = evaluator.passport(count, run.source.images.shape[1:])
    baselines = evaluator.baselines(count, bool(run.classes), quick=True)
    return PeriodicEvaluator(evaluator, passport, baselines)


def record(run: Run) -> None:
    """Write passport and floors into the run's folder; raises InputError if others are there."""
    assert run.examiner
    from ganbaru.metrics import Passport, differences

    path, passport = run.folder.milestones, run.examiner.passport
    if path.exists():
        before = Passport(**_read(path, "passport"))
        if found := differences(before, passport):
            raise InputError(
                f"The scores that {run.folder.path} has so far cannot be compared with what would "
                f"follow, since they were not measured alike ({'; '.join(found)}). Go on with the "
                f"same data and --evaluate-images, or without scores: --evaluate-every 0."
            )
    now = {"passport": asdict(passport), "floors": run.examiner.floors}
    files.write_text(path, json.dumps(now, indent=1, ensure_ascii=False))


def floors(folder: Folder) -> Values:
    """Return what real images get, as a run's folder has it written down; {} if it has no scores.

    Raises InputError when the file is damaged.
    """
    return _read(folder.milestones, "floors") if folder.milestones.exists() else {}


def _read(path: Path, part: str) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))[part])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}). Delete it: going on with --resume "
            f"writes it anew."
        ) from error


def _entrant(run: Run) -> RunSamples:
    from ganbaru.metrics.candidates import RunSamples

    config = run.config
    return RunSamples(
        name=str(run.folder.path), folder=run.folder.path,
        checkpoint=run.folder.checkpoint(run.images), shape=run.source.images.shape[1:],
        data=config.data, data_dir=config.data_dir, channels=config.channels,
        generator=run.generator(), most=config.evaluate_images,
    )  # fmt: skip
