"""Scores of the averaged generator at a run's milestones, without what takes long.

No interval, no pupil (CAS) and no kernel distance (a mean over 100 subsets): they take most of the
time of `ganbaru evaluate`, whose other numbers these are for the same checkpoint and count.
"""

from __future__ import annotations

import hashlib
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
    from ganbaru.metrics.candidates import Trained
    from ganbaru.metrics.classifier import Images, Labels
    from ganbaru.training.loop import Run
    from ganbaru.training.run_folder import Folder

# What the best checkpoint is the best by, lower being better. The Fréchet distance falls both when
# pictures get better and when more kinds of them are made; coverage saturates.
MEASURE = "frechet"
LEFT_OUT = "kernel"

Values = dict[str, float]


@dataclass(frozen=True)
class PeriodicEvaluator:
    """Scores a run's generator, always on the same seeds against the same real images."""

    judge: Evaluator
    passport: Passport
    floors: Values  # what real images get in the fakes' place

    def values(self, run: Run) -> Values:
        """Score the averaged generator; its time is not the training's."""
        began = time.perf_counter()
        run.fetched("ema"), run.fetched("ema_buffers")  # a diverged generator is not scored
        images, labels = _entrant(run).images(len(self.judge.view), 0, data.silent)
        values = _values(self.judge, images, labels)
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
        judge = metrics.evaluator_for(_entrant(run), progress=progress)
    except InputError as error:
        raise InputError(f"{error} To train without scores: --evaluate-every 0.") from error
    passport = judge.passport(len(judge.view), run.source.images.shape[1:])
    return PeriodicEvaluator(judge, passport, _floors(judge, passport, bool(run.classes)))


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


def _entrant(run: Run) -> Trained:
    from ganbaru.metrics.candidates import Trained

    config = run.config
    return Trained(
        name=str(run.folder.path), folder=run.folder.path,
        checkpoint=run.folder.checkpoint(run.images), shape=run.source.images.shape[1:],
        data=config.data, data_dir=config.data_dir, channels=config.channels,
        generator=run.generator(), most=config.evaluate_images,
    )  # fmt: skip


def _values(judge: Evaluator, images: Images, labels: Labels | None) -> Values:
    import numpy as np

    from ganbaru.metrics import evaluator
    from ganbaru.metrics.definitions import measured

    fake = evaluator.view(judge.scorer, judge.scorer.resize(images), labels, data.silent)
    few = [(np.arange(2), np.arange(2))]  # the least that a kernel distance takes
    values, _ = measured(judge.view, fake, judge.truth, lambda reals, fakes: few)
    return {name: value for name, value in values.items() if name != LEFT_OUT}


def _floors(judge: Evaluator, passport: Passport, labelled: bool) -> Values:
    from ganbaru.metrics.disk_cache import kept

    mark = json.dumps([asdict(passport), labelled, "milestones"])
    name = f"floors-{hashlib.sha256(mark.encode()).hexdigest()[:20]}.json"
    reals, count = judge.reals, len(judge.view)
    labels = reals.held_out_labels if labelled else None
    asked = None if labels is None else labels[:count]
    content, _ = kept(
        name, lambda: json.dumps(_values(judge, reals.held_out[:count], asked)).encode()
    )
    floors: Values = json.loads(content)
    return floors
