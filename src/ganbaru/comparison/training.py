"""One run of a tournament: trained or resumed, then scored; an ordinary run's folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

from ganbaru import callbacks, data, files, records
from ganbaru.callbacks import Callback, PeriodicEvaluation, Validation
from ganbaru.config import Config
from ganbaru.data import Progress
from ganbaru.errors import DivergedError, InputError
from ganbaru.metrics import Passport
from ganbaru.training import setup
from ganbaru.training.loop import loop
from ganbaru.training.run import Run
from ganbaru.training.run_log import read_log

FILE = "result.json"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run: its final scores and their curve, or why it failed."""

    failed: str = ""
    images: int = 0
    step: int = 0
    seconds: float = 0.0  # of training
    scores: dict[str, float] = field(default_factory=dict)
    floors: dict[str, float] = field(default_factory=dict)  # the scores of real images
    passport: dict[str, Any] = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)  # images, seconds, scores


def outcome(folder: Path) -> Outcome | None:
    """Return the outcome of a run, None if it has not ended."""
    path = folder / FILE
    if not path.exists():
        return None
    remedy = "Delete it: the run is scored again."
    found = records.read(path, Outcome, remedy)
    if not found.failed:
        records.check(asdict(found), _Scored, path, remedy)
    return found


class _Measured(TypedDict):
    """Scores, with the one that ranks, `MEASURE`."""

    frechet: float


class _Point(_Measured):
    images: records.Count
    seconds: records.Seconds


class _Scored(TypedDict):
    """What an outcome has unless its run failed."""

    scores: _Measured
    floors: _Measured
    passport: Passport
    curve: list[_Point]


def _passport(tournament: Path) -> Passport | None:
    """Return the passport of a tournament's earlier runs, whose scorer the others need too."""
    for path in sorted(tournament.glob(f"*/*/{FILE}")):
        # A file of another kind beside a run is none of its business; a damaged outcome is reported
        # where the results are put together.
        with contextlib.suppress(InputError):
            ended = outcome(path.parent)
            if ended and ended.passport:
                return Passport(**ended.passport)
    return None


class FinalScore(Callback):
    """Scores the final state of a run and writes the outcome.

    First of all callbacks: a tournament that is stopped while the others draw pictures has it.
    """

    def __init__(self, evaluation: PeriodicEvaluation) -> None:
        self.evaluation = evaluation

    def end(self, run: Run) -> None:
        """Score, unless the run was stopped before its end."""
        if not run.finished:
            return
        baselines = self.evaluation.baselines
        lines = [line for line in read_log(run.folder) if baselines.keys() <= line.keys()]
        if lines and lines[-1]["images"] == run.images:  # scored at this image count
            values = {name: lines[-1][name] for name in baselines}
        else:
            values = self.evaluation.score(run)
        outcome = Outcome(
            images=run.images,
            step=run.step,
            seconds=round(run.seconds, 3),
            scores=values,
            floors=baselines,
            passport=asdict(self.evaluation.passport),
            curve=[{name: line[name] for name in ("images", "seconds", *values)} for line in lines],
        )
        files.write_json(run.folder.path / FILE, asdict(outcome))


def train_and_score(
    config: Config,
    interrupted: Callable[[], bool],
    display: callbacks.Live | None = None,
    progress: Progress = data.silent,
) -> None:
    """Train or resume a run, and score it; stops early, saved, when `interrupted`.

    The outcome of a run that diverges is the reason.
    """
    folder = Path(str(config.run))
    if (folder / "config.yaml").exists():  # also if it was killed before its first checkpoint
        config = replace(config, resume=True)
    evaluation = PeriodicEvaluation(like=_passport(folder.parent.parent))
    standard = callbacks.standard(display, [Validation(), evaluation])
    run = setup.build(config, [FinalScore(evaluation), *standard], progress)
    try:
        loop(run, interrupted)
    except DivergedError as error:
        failure = Outcome(failed=str(error.args[0]), images=run.images, step=run.step)
        files.write_json(folder / FILE, asdict(failure))
    finally:
        if display:
            display.close()
