"""Time and memory of a step as `ganbaru train PATH` chooses it, at each size and on each engine.

python -m bench.picture_steps                                  numpy and torch, 3 turns
python -m bench.picture_steps --engines numpy jax --sides 128 256 --turns 1

Each measurement is a process of its own on one thread, with 64 random images; engines take turns.
Times are processor seconds of the median step, first ones left out, in batches of 16 by `small`.
Memory is the peak of the process, with the images and the engine's library.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ganbaru import config
from ganbaru.gan.recommendation import ROWS
from ganbaru.training import setup
from ganbaru.training.loop import loop

from . import reporting

IMAGES, STEPS, FIRST = 64, 16, 4
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


def one(engine: str, side: int, width: int, folder: Path) -> dict[str, float]:
    """Return milliseconds of an image and the peak of memory in MiB, of this process."""
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, side, side, 3), np.uint8)
    np.savez(folder / "images.npz", images=images)
    run = setup.build(config.from_preset(
        "small", data=str(folder / "images.npz"), image_size=str(side), width=width,
        engine=engine, device="cpu", run=str(folder / "run"), held_out=0, epochs=None, steps=10**6,
    ))  # fmt: skip
    ends: list[float] = []

    def measured() -> bool:
        ends.append(time.process_time())
        return len(ends) > STEPS

    loop(run, measured)
    seconds = statistics.median(np.diff(ends[FIRST:]).tolist())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"milliseconds": 1000 * seconds / run.config.batch, "memory": peak}


def measured_apart(engine: str, side: int, width: int) -> dict[str, float]:
    """Return what `one` returns, of a new process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            __spec__.name,
            "--one",
            engine,
            str(side),
            str(width),
            folder,
        ]
        done = subprocess.run(
            command, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, check=True
        )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure all, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engines", nargs="+", default=["numpy", "torch"])
    parser.add_argument("--sides", nargs="+", type=int, default=[row.side for row in ROWS])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        engine, side, width, folder = given.one
        print(json.dumps(one(engine, int(side), int(width), Path(folder))))
        return
    first, *others = given.engines
    titles = ["size", "width", *(f"{engine}: images a second" for engine in given.engines)]
    titles += [f"{engine} over {first}" for engine in others]
    titles += [f"{engine}: MiB" for engine in given.engines]
    rows = []
    for row in (row for row in ROWS if row.side in given.sides):
        turns = [
            {e: measured_apart(e, row.side, row.width) for e in given.engines}
            for _ in range(given.turns)
        ]
        middle = {e: statistics.median(turn[e]["milliseconds"] for turn in turns) for e in turns[0]}
        memory = {e: statistics.median(turn[e]["memory"] for turn in turns) for e in turns[0]}
        ratios = {
            e: statistics.median(
                turn[first]["milliseconds"] / turn[e]["milliseconds"] for turn in turns
            )
            for e in others
        }
        rows.append([
            f"{row.side}x{row.side}", str(row.width), *(f"{1000 / x:.0f}" for x in middle.values()),
            *(f"{x:.2f}" for x in ratios.values()), *(f"{x:.0f}" for x in memory.values()),
        ])  # fmt: skip
        print(reporting.grid(titles, rows), flush=True)


if __name__ == "__main__":
    main()
