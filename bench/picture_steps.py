"""Time and memory of a step as `ganbaru train PATH` chooses it, at each size and on each engine.

python -m bench.picture_steps                                  numpy and torch
python -m bench.picture_steps --engines numpy jax --sides 128 256 --rounds 20

Each engine is a process of its own on one core, with 64 random images; steps of `small` in batches
of 16 take turns. Rates are of the median step in processor seconds, since a clock counts other work
too; memory is the peak of the process, with the engine's library.
"""

from __future__ import annotations

import argparse
import dataclasses

from ganbaru import config
from ganbaru.gan.recommendation import BASE, ROWS, Row

from . import reporting
from .games import random_images
from .interleaved import Bench, Contestant, Entry, Race
from .scale import FULL
from .step import steps_of
from .worker import Turn

IMAGES = 64


def turn(engine: str, side: int, width: int) -> Turn:
    """Return a turn that makes a step of the preset for pictures."""
    settings = config.from_preset(BASE, data="random", image_size=str(side), width=width)
    return steps_of(engine, settings, random_images(IMAGES, (side, side, 3)))


def race(bench: Bench, row: Row) -> Race:
    """Time the engines at a size."""
    entries = {
        engine: Entry(
            Contestant(engine, "bench.picture_steps:turn", {"engine": engine}),
            {"side": row.side, "width": row.width},
        )
        for engine in bench.libraries
    }
    return bench.race(entries, cores=1, fresh=True)


def main() -> None:
    """Measure all, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engines", nargs="+", default=["numpy", "torch"])
    parser.add_argument("--sides", nargs="+", type=int, default=[row.side for row in ROWS])
    parser.add_argument("--rounds", type=int, default=FULL.rounds)
    given = parser.parse_args()
    bench = Bench(dataclasses.replace(FULL, rounds=given.rounds), given.engines)
    first, *others = given.engines
    titles = ["size", "width", *(f"{engine}: images a second" for engine in given.engines)]
    titles += [f"{engine} over {first}" for engine in others]
    titles += [f"{engine}: MiB" for engine in given.engines]
    batch, rows = config.from_preset(BASE).batch, []
    for row in (row for row in ROWS if row.side in given.sides):
        found = race(bench, row)
        step = {engine: found.spread(engine, "processor").middle for engine in given.engines}
        rows.append([
            f"{row.side}x{row.side}", str(row.width),
            *(f"{batch / step[engine]:.0f}" for engine in given.engines),
            *(f"{step[first] / step[engine]:.2f}" for engine in others),
            *(f"{found.peaks[engine]:.0f}" for engine in given.engines),
        ])  # fmt: skip
        print(reporting.grid(titles, rows), flush=True)


if __name__ == "__main__":
    main()
