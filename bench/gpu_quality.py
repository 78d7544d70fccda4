"""A timed training run with scores over its seconds by a separately trained classifier."""

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

# Seconds of training after which it is scored; scoring does not count as training time.
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
        """Return features (N, 128) and labels (N,) of images (N, C, H, W)."""
        parts = [self.net[:-1](part.to(self.device)) for part in images.split(500)]
        labels = [self.net[-1](part).argmax(1) for part in parts]
        return torch.cat(parts).cpu().numpy(), torch.cat(labels).cpu().numpy()

    def scores(self, images: np.ndarray, labels: np.ndarray | None) -> Row:
        """Return the scores of images (N, H, W, C), uint8."""
        features, predicted = self.features(floats(images))
        row: Row = {"frechet": frechet(self.reals[0], features)}
        accuracy = {} if labels is None else {"label accuracy": float((predicted == labels).mean())}
        return row | accuracy


class Scoring(Callback):
    """A callback that scores the EMA generator at MOMENTS, outside of the run's training time."""

    def __init__(self, judge: Evaluator, count: int, rows: list[Row]) -> None:
        self.judge, self.count, self.rows = judge, count, rows
        self.left = list(MOMENTS)

    def step(self, run: Run, report: Any) -> None:
        """Score at the next of MOMENTS."""
        if self.left and run.seconds >= self.left[0]:
            self.left = [moment for moment in self.left if moment > run.seconds]
            run.engine.synchronise()
            with run.paused():
                self._score(run)

    def end(self, run: Run) -> None:
        """Score the final generator."""
        run.engine.synchronise()
        self._score(run)

    def _score(self, run: Run) -> None:
        generator = generators.from_run(run)
        parts = list(generator.batches(generator.seeds(self.count, 1_000_000)))
        labels = np.concatenate([part for _, part in parts]) if run.classes else None
        scores = self.judge.scores(np.concatenate([part for part, _ in parts]), labels)
        row = {"seconds": run.seconds, "images": run.images, "steps": run.step, **scores}
        self.rows.append({**row, "images/s": run.images / run.seconds})


def wanted(preset: str, device: str, seconds: float, folder: Path, **options: Any) -> Config:
    """Return the configuration of a timed run."""
    return from_preset(
        preset, engine="torch", device=device, minutes=seconds / 60, run=str(folder / "run"),
        held_out=0, **options,
    )  # fmt: skip


def found(names: list[str]) -> str:
    """Return the first preset whose data is available; digits come with scikit-learn."""
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
    """Train for `seconds`; appends scores over time to rows, returns the conditions."""
    with tempfile.TemporaryDirectory() as folder:
        config = wanted(preset, device, seconds, Path(folder), **options)
        judge = Evaluator(dataset.load_data(config), device, epochs)
        run = setup.build(config, [Scoring(judge, images, rows)])
        loop(run, lambda: False)
    engine, halves = run.engine, (judge.reals[0][::2], judge.reals[0][1::2])
    return {"preset": preset, "engine": engine.describe(), "precision": engine.precision,
            "fast": engine.fast, "Fréchet distance of real halves": frechet(*halves)}  # fmt: skip
