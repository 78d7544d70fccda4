"""Projection: how many of a generator's own samples are found, and at what cost, on each engine.

    python -m bench.recovery RUN [--own 100] [--real 16] [--engines numpy torch] [--alike 8]

Own samples are of seeds outside the pool of starts, real pictures the last of the run's image set.
The first `--alike` own samples are also projected in float64, where latents should agree between
engines within 1e-3, and in float32, where images should within 2 levels.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from ganbaru import engines
from ganbaru.data import silent
from ganbaru.gan.dataset import load_data
from ganbaru.latents import projection
from ganbaru.sampling import generators
from ganbaru.sampling.players import load_player

FIRST, FOUND = 10**6, 2 / 255  # a seed outside the pool; the mean error of a sample that is found


def main() -> None:
    """Project, and print a line of JSON for each set of pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run")
    parser.add_argument("--own", type=int, default=100, help="own samples")
    parser.add_argument("--real", type=int, default=16, help="pictures of the run's image set")
    parser.add_argument("--alike", type=int, default=8, help="own samples that engines compare")
    parser.add_argument("--engines", nargs="+", default=["numpy", "torch"])
    args = parser.parse_args()
    player = load_player(args.run)
    generator = generators.on_engine(player)
    own = generator.sample(args.own, FIRST)
    _line("own samples", generator, own)
    if args.real:
        _line("real pictures", generator, load_data(player.config, silent).images[-args.real :])
    for precision in ("float64", "float32"):
        loaded = [
            generators.from_player(player, engines.load(name, "cpu", precision))
            for name in args.engines
        ]
        found = [projection.project(each, own[: args.alike]) for each in loaded]
        for name, other in zip(args.engines[1:], found[1:], strict=True):
            latents = np.abs(other.latents - found[0].latents).max()
            levels = np.abs(other.images.astype(int) - found[0].images).max()
            text = {"engine": name, "precision": precision, "pictures": args.alike}
            print(json.dumps({**text, "latents": float(latents), "levels": int(levels)}))


def _line(name: str, generator: generators.Generator, pictures: Any) -> None:
    began = time.process_time()
    found = projection.project(generator, pictures)
    seconds = (time.process_time() - began) / len(pictures)
    levels = 255 * found.error
    shares = {"median": np.median(levels), "95 %": np.quantile(levels, 0.95), "most": levels.max()}
    numbers = {**shares, "found": np.mean(found.error <= FOUND), "seconds": seconds}
    rounded = {key: round(float(x), 3) for key, x in numbers.items()}
    print(json.dumps({"set": name, "pictures": len(pictures), **rounded}), flush=True)


if __name__ == "__main__":
    main()
