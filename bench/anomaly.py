"""Anomaly detection on one-class MNIST: AUROC of `ganbaru anomaly` beside k-NN on pixels.

    python -m bench.anomaly [--images 20000] [--pictures 1000] [--seed 0] [--folder anomaly-bench]

For each digit a small generator is trained on its training images alone, and scores the same test
pictures as all others do; p is not needed for AUROC, but the errors are put on a scale by 200 other
test images of the digit. k-NN is the mean distance to the 5 nearest of its training images. Runs
and results stay in the folder, and are used again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from ganbaru import api, data, files
from ganbaru.config import from_preset
from ganbaru.engines.numpy import distances
from ganbaru.latents.detector import PARTS, detector

NEAREST = 5
SMALL = {"conditioning": "none", "width": 16, "latent": 16, "batch": 16, "split": "none"}


def main() -> None:
    """Train, score and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=20_000, help="of each training")
    parser.add_argument("--pictures", type=int, default=1000, help="test pictures scored")
    parser.add_argument("--seed", type=int, default=0, help="of each training; a folder for each")
    parser.add_argument("--folder", type=Path, default=Path("anomaly-bench"))
    parser.add_argument("--digits", type=int, nargs="*", default=range(10))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    train, test = data.load("mnist"), data.load("mnist", split="test")
    rows = []
    for digit in args.digits:
        path = args.folder / f"{digit}.json"
        if not path.exists():
            files.write_json(path, _digit(digit, train, test, args))
        rows.append(json.loads(path.read_text()))
        print(json.dumps(rows[-1]), flush=True)
    print(*_table(rows), sep="\n")


def _digit(digit: int, train: data.Source, test: data.Source, args: Any) -> dict[str, float]:
    assert train.labels is not None and test.labels is not None
    npz, run = args.folder / f"one{digit}.npz", args.folder / "runs" / f"one{digit}"
    own = np.ascontiguousarray(train.images[train.labels == digit])
    if not run.exists():
        np.savez(npz, images=own)
        config = dataclasses.replace(
            from_preset("mnist"),
            data=str(npz),
            minutes=None,
            images=args.images,
            run=str(run),
            seed=args.seed,
            **SMALL,
        )
        api.train(config, progress=False)
    pictures, labels = test.images[: args.pictures], test.labels[: args.pictures]
    rest = test.images[args.pictures :][test.labels[args.pictures :] == digit]
    normal = args.folder / f"normal{digit}.npz"
    np.savez(normal, images=rest)
    found, _, _ = detector(run, normal)
    began = time.process_time()
    errors = found.errors(pictures, found.reconstructed(pictures))
    scores, p = found.scores(errors)
    seconds = (time.process_time() - began) / len(pictures)
    odd = labels != digit
    values = {"score": scores, "knn": _knn(pictures, own)} | dict(zip(PARTS, errors.T, strict=True))
    areas = {name: float(roc_auc_score(odd, value)) for name, value in values.items()}
    alarms = float(np.mean(p[~odd] <= 0.05))
    return {"digit": digit, **areas, "false_alarms": alarms, "seconds": seconds}


def _knn(pictures: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the mean distances (N,) of pictures to their nearest known ones."""
    queries, rows = (x.reshape(len(x), -1) / 255.0 for x in (pictures, known))
    found = [
        np.sort(distances.squares(queries[part], rows), axis=1)[:, :NEAREST]
        for part in distances.blocks(queries, rows)
    ]
    return np.sqrt(np.maximum(np.concatenate(found), 0)).mean(axis=1)


def _table(rows: list[dict[str, float]]) -> list[str]:
    names = [name for name in rows[0] if name != "digit"]
    lines = [f"| digit | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    for row in rows:
        lines.append(f"| {row['digit']} | {' | '.join(f'{row[n]:.3f}' for n in names)} |")
    means = (f"{np.mean([row[n] for row in rows]):.3f}" for n in names)
    return [*lines, f"| mean | {' | '.join(means)} |"]


if __name__ == "__main__":
    main()
