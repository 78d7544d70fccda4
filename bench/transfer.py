"""200 new images: training from scratch against --start-from, by MIND over processor seconds.

    python -m bench.transfer [--seeds 3] [--from zoo:mnist] [--data fashion-mnist]

The images are 20 of each class; scores are against the whole set, by a random network, which needs
no training. It prints the best score of the runs from scratch, and when runs that start from the
model first have it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from ganbaru import data, from_preset
from ganbaru.metrics import candidates, evaluation
from ganbaru.sampling import generators
from ganbaru.training import setup, starting_point
from ganbaru.training.loop import loop
from ganbaru.training.run import Callback, Every, Run

EACH, SCORED = 20, 500  # images of each class, and generated for a score


class Scores(Callback):
    """Scores the averaged generator every so many images, off the clock."""

    def __init__(self, evaluator: object, every: int) -> None:
        self.evaluator, self.every = evaluator, Every(every)
        self.began = time.process_time()
        self.lines: list[dict[str, float]] = []

    def step(self, run: Run, metrics: object) -> None:
        if not self.every.due(run.images):
            return
        now = time.process_time()
        images = generators.from_run(run).sample(SCORED, 10**6)
        found = self.evaluator.quick_scores(images, None)
        self.lines.append({"images": run.images, "seconds": now - self.began} | found)
        self.began += time.process_time() - now


def few(folder: Path, name: str) -> Path:
    """Write some images of each class of a set as a folder; returns it."""
    source = data.load(name)
    for label, title in enumerate(source.classes):
        for number, place in enumerate(np.flatnonzero(source.labels == label)[:EACH]):
            path = folder / title.replace("/", "-") / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(source.images[place].squeeze()).save(path)
    return folder


def curve(evaluator: object, folder: Path, seed: int, images: int, every: int, **options) -> list:
    """Train once; return the scores."""
    kept = Scores(evaluator, every)
    run = setup.build(
        from_preset("fashion-mnist", data=str(folder / "few"), run=str(folder / "run"), seed=seed,
                    images=images, engine="numpy", overwrite=True, **options),
        [kept],
    )  # fmt: skip
    kept.began = time.process_time()
    loop(run, lambda: False)
    return kept.lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=12_000)
    parser.add_argument("--from", dest="model", default="zoo:mnist")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--score", default="mind")
    args = parser.parse_args()
    own = starting_point.architecture(args.model)[1]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        few(folder / "few", args.data)
        candidate = candidates.of_images(data.load(args.data))
        evaluator = evaluation.evaluator_for(candidate, args.data, SCORED, scorer="random")
        for seed in range(args.seeds):
            scratch = curve(evaluator, folder, seed, args.images, args.images // 10, **own)
            started = curve(
                evaluator, folder, seed, args.images // 2, args.images // 40,
                start_from=args.model, **own,
            )  # fmt: skip
            print(json.dumps({"seed": seed, "scratch": scratch, "started": started}), flush=True)
            best = min(scratch, key=lambda line: line[args.score])
            first = next((x for x in started if x[args.score] <= best[args.score]), None)
            print(
                f"seed {seed}: from scratch {best[args.score]:.3f} after {best['seconds']:.1f} s; "
                f"from the model: {first and round(first['seconds'], 1)} s, and at its best "
                f"{min(x[args.score] for x in started):.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
