"""One run of a tournament: trained, or gone on with, then scored; an ordinary run's folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ganbaru import callbacks, data, files
from ganbaru.callbacks.log import read_log
from ganbaru.callbacks.periodic_evaluation import MEASURE
from ganbaru.config import Config
from ganbaru.data import Progress
from ganbaru.errors import RunError
from ganbaru.gan.step import Report
from ganbaru.training import checkpoint, loop, setup
from ganbaru.training.loop import Callback, Run

FILE = "result.json"


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its scores and how it came there, or why it failed."""

    failed: str = ""
    images: int = 0
    step: int = 0
    seconds: float = 0.0  # of training
    scores: dict[str, float] = field(default_factory=dict)
    floors: dict[str, float] = field(default_factory=dict)  # what real images get
    passport: dict[str, Any] = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)  # images, seconds, scores


def outcome(folder: Path) -> Outcome | None:
    """Return how a run ended, None if it has not."""
    path = folder / FILE
    return Outcome(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


class Scoring:
    """Scores the last state of a run and writes the outcome down.

    Before the other habits, which draw pictures: whoever stops the tournament there has the score.
    """

    def start(self, run: Run) -> None:
        """Nothing to begin."""

    def step(self, run: Run, report: Report) -> None:
        """Nothing to do."""

    def end(self, run: Run) -> None:
        """Score, unless the run was stopped before its end."""
        if not run.finished:
            return
        assert run.examiner
        floors, lines = run.examiner.floors, [x for x in read_log(run.folder) if MEASURE in x]
        if lines and lines[-1]["images"] == run.images:  # scored at this very moment
            values = {name: lines[-1][name] for name in floors}
        else:
            values = run.examiner.values(run)
        _write(run.folder.path, Outcome(
            images=run.images, step=run.step, seconds=round(run.seconds, 3), scores=values,
            floors=floors, passport=asdict(run.examiner.passport),
            curve=[{name: line[name] for name in ("images", "seconds", *values)} for line in lines],
        ))  # fmt: skip


def _write(folder: Path, ended: Outcome) -> None:
    text = json.dumps(asdict(ended), indent=1, ensure_ascii=False)
    files.write_text(folder / FILE, text)


def train_and_score(
    config: Config,
    interrupted: Callable[[], bool],
    display: callbacks.Display | None = None,
    progress: Progress = data.silent,
) -> None:
    """Train a run, or go on with it, and score it; stops early and saved when `interrupted`.

    A run that diverges has that for an outcome.
    """
    folder = Path(str(config.run))
    if checkpoint.found(folder / "checkpoints"):
        config = replace(config, resume=True)
    elif (folder / "config.yaml").exists():  # killed before its first checkpoint
        config = replace(config, overwrite=True)
    run = setup.build(config, progress)
    habits: Sequence[Callback] = [Scoring(), *callbacks.standard(display)]
    try:
        loop.loop(run, habits, interrupted)
    except RunError as error:
        _write(folder, Outcome(failed=str(error), images=run.images, step=run.step))
    finally:
        if display:
            display.close()
