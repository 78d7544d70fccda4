"""How scores of 2,000 images rank a run's checkpoints: python -m bench.ranking RUN

The reference is the Fréchet distance of 10,000 images. Take a run with about 12 checkpoints, as of
ganbaru train mnist --images 72000 --checkpoint-every 6000 --keep 20 --run ./ranked
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import spearmanr

from ganbaru import data
from ganbaru.callbacks.periodic_evaluation import SEED
from ganbaru.metrics import candidates, evaluation
from ganbaru.metrics.definitions import Values
from ganbaru.metrics.evaluator import Evaluator
from ganbaru.training import checkpoint, run_folder

NAMES = ("frechet", "frechet_infinity", "mind", "vendi", "coverage")


def scores(by: Evaluator, path: str, count: int, seed: int) -> Values:
    """Score images of a checkpoint as a run's own evaluation does."""
    candidate = candidates.find(path, "newest", "numpy", "auto", None, data.silent, ())
    shares = evaluation.class_shares(candidate, by.split.source)
    return by.quick_scores(*candidate.images(count, seed, data.silent, shares))


def main() -> None:
    """Print a row for each checkpoint, and rank correlations with the reference."""
    parser = argparse.ArgumentParser("python -m bench.ranking", description=__doc__)
    parser.add_argument("run")
    paths = checkpoint.found(run_folder.existing(parser.parse_args().run).checkpoints)
    first = candidates.find(str(paths[0]), "newest", "numpy", "auto", None, data.silent, ())
    large, small = (evaluation.evaluator_for(first, number=count) for count in (10_000, 2_000))
    print(f"| images | frechet of 10,000 | {' | '.join(NAMES)} (of 2,000) |")
    reference, found = [], []
    for path in paths:
        reference.append(scores(large, str(path), 10_000, 0)["frechet"])
        own = scores(small, str(path), 2_000, SEED)
        found.append([own[name] for name in NAMES])
        numbers = (f"{x:.4g}" for x in (reference[-1], *found[-1]))
        print(f"| {int(path.stem):,} | {' | '.join(numbers)} |", flush=True)
    for name, column in zip(NAMES, np.array(found).T, strict=True):
        print(f"{name}: rank correlation {spearmanr(reference, column).statistic:.3f}")


if __name__ == "__main__":
    main()
