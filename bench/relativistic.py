"""The table of the relativistic paper (Jolicoeur-Martineau 2019) with error bars, at a small scale.

python -m bench.relativistic -o runs/relativistic                   40,000 images each, 5 seeds
python -m bench.relativistic -o runs/relativistic --seconds 60      60 seconds each instead
python -m bench.relativistic -o runs/relativistic                   again: continues after a stop

Nine objectives, 45 runs: about 45 minutes on 2 quiet cores (1,200 images a second without a
penalty, two thirds of that with R1 and R2), three times as long beside other work (--images 15000
compensates), and 4 more for the scorer of Fashion-MNIST unless cached. An image count is the better
budget on a shared machine, whose speed is no property of an objective. All have one network, one
learning rate and no labels; the paper gave its gradient penalties more D updates in one column.
"""

from __future__ import annotations

import argparse
import functools

import ganbaru

OBJECTIVES = {
    "non-saturating": {},
    "least squares": {"objective": "least-squares"},
    "hinge": {"objective": "hinge"},
    "RSGAN": {"objective": "rsgan"},
    "RaSGAN": {"objective": "rasgan"},
    "RaLSGAN": {"objective": "ralsgan"},
    "RaHinge": {"objective": "rahinge"},
    "RSGAN + WGAN-GP": {"objective": "rsgan", "penalty": "wgan-gp:gamma=10"},
    "RSGAN + R1 + R2": {"objective": "rsgan", "penalty": "r1:gamma=1+r2:gamma=1"},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", required=True, help="the tournament's folder")
    parser.add_argument("--images", type=int, default=40_000, help="each run's budget")
    parser.add_argument("--seconds", type=float, help="a budget in seconds instead")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--image-size", default="28")
    parser.add_argument("--width", type=int, default=32)
    wanted = parser.parse_args()
    same = {"data": wanted.data, "image_size": wanted.image_size, "width": wanted.width}
    entrants = {
        name: ganbaru.from_preset("fashion-mnist", conditioning="none", **same, **options)
        for name, options in OBJECTIVES.items()
    }
    result = ganbaru.compare(
        entrants,
        seeds=wanted.seeds,
        images=None if wanted.seconds else wanted.images,
        seconds=wanted.seconds,
        folder=wanted.output,
        workers=wanted.workers,
        evaluate_every=max(1, wanted.images // 8),
        tell=functools.partial(print, flush=True),
    )
    if result is None:
        print("Stopped and saved. The same command continues.")
        return
    print((result.folder / "results.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
