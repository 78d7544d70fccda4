"""A timed training as a user's run makes it, with scores over its seconds by a judge of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganbaru import data
from ganbaru.config import Config, from_preset
from ganbaru.errors import InputError, RunError
from ganbaru.gan import dataset
from ganbaru.metrics.frechet import frechet
from ganbaru.sampling import generators
from ganbaru.training import setup
from ganbaru.training.loop import loop
from ganbaru.training.run import Callback, Run

from .judge import floats, train_judge

Row = dict[str, Any]

# Seconds of training after which it is scored; the clock of the run stands still meanwhile.
MOMENTS = (1, 2, 3, 5, 8, 12, 20, 30, 45, 60, 80, 100, 120, 150, 180, 240, 300, 400, 500, 600)


class Evaluator:
    """A classifier trained on the real images: label accuracy, and Fréchet distance of features."""

    def __init__(self, source: data.Source, device: str, epochs: int) -> None:
        with torch.device(device):
            self.net = train_judge(source, epochs)
        self.device = device
        self.reals = self.features(floats(source.images[:10_000]))

    @torch.no_grad()
    def features(self, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Return features (N, 128) and labels (N,) that the judge gives images (N, C, H, W)."""
        parts = [self.net[:-1](part.to(self.device)) for part in images.split(500)]
        labels = [self.net[-1](part).argmax(1) for part in parts]
        return torch.cat(parts).cpu().numpy(), torch.cat(labels).cpu().numpy()

    def scores(self, images: np.ndarray, labels: np.ndarray | None) -> Row:
        """Score images (N, H, W, C), bytes."""
        features, told = self.features(floats(images))
        row: Row = {"frechet": frechet(self.reals[0], features)}
        return row if labels is None else {**row, "label accuracy": float((told == labels).mean())}


class Scoring(Callback):
    """Scores the averaged generator at moments of the run, whose clock stands still meanwhile."""

    def __init__(self, judge: Evaluator, count: int, rows: list[Row]) -> None:
        self.judge, self.count, self.rows = judge, count, rows
        self.left = list(MOMENTS)

    def step(self, run: Run, report: Any) -> None:
        """Score if a moment has come."""
        if self.left and run.seconds >= self.left[0]:
            self.left = [moment for moment in self.left if moment > run.seconds]
            run.engine.module.synchronise()
            with run.paused():
                self._score(run)

    def end(self, run: Run) -> None:
        """Score what has come of it."""
        run.engine.module.synchronise()
        self._score(run)

    def _score(self, run: Run) -> None:
        generator = generators.from_run(run)
        parts = list(generator.batches(generator.seeds(self.count, 1_000_000)))
        labels = np.concatenate([part for _, part in parts]) if run.classes else None
        scores = self.judge.scores(np.concatenate([part for part, _ in parts]), labels)
        told = {"seconds": run.seconds, "images": run.images, "steps": run.step, **scores}
        self.rows.append({**told, "images/s": run.images / run.seconds})


def wanted(preset: str, device: str, seconds: float, folder: Path, **options: Any) -> Config:
    """Return the configuration of a timed run."""
    return from_preset(
        preset, engine="torch", device=device, minutes=seconds / 60, run=str(folder / "run"),
        held_out=0, **options,
    )  # fmt: skip


def found(names: list[str]) -> str:
    """Return the first preset whose data is here; the digits come with a library."""
    for name in names:
        try:
            data.load(from_preset(name).data)
            return name
        except (InputError, RunError) as error:
            print(f"without {name}: {error}", flush=True)
    return "digits"


def curve(
    rows: list[Row], preset: str, device: str, seconds: float, images: int, epochs: int,
    **options: Any,
) -> Row:  # fmt: skip
    """Train for so many seconds; fills rows with scores over seconds, returns what it was."""
    with tempfile.TemporaryDirectory() as folder:
        config = wanted(preset, device, seconds, Path(folder), **options)
        judge = Evaluator(dataset.load_data(config), device, epochs)
        run = setup.build(config, [Scoring(judge, images, rows)])
        loop(run, lambda: False)
    engine, halves = run.engine, (judge.reals[0][::2], judge.reals[0][1::2])
    return {"preset": preset, "engine": engine.describe(), "precision": engine.precision,
            "fast": engine.fast, "Fréchet distance of real halves": frechet(*halves)}  # fmt: skip
