"""Train on handwritten digits from Python, watch it learn, and draw some digits.

python -m examples.train [STEPS]
"""

import sys

import numpy as np
from PIL import Image

import ganbaru
from ganbaru.callbacks import Callback, standard


class Watch(Callback):
    """A callback of one's own: prints D's mean logits of real and fake images every 100 steps."""

    def start(self, run):
        print(f"training in {run.folder.path}")

    def step(self, run, metrics):
        if run.step % 100 == 0:
            real, fake = float(metrics["real_score"]), float(metrics["fake_score"])
            print(f"{run.share:4.0%}  real {real:+.2f}  fake {fake:+.2f}")

    def end(self, run):
        print(f"{run.images:,} images in {run.seconds:.0f} s")


def main(steps: int = 1500) -> None:
    """Train, sample and save."""
    config = ganbaru.from_preset("digits", steps=steps, seed=1)
    run = ganbaru.train(config, [*standard(), Watch()])

    generator = ganbaru.load(run)
    digits = generator.sample(10, seed=0, labels=range(10))  # bytes (10, H, W, 1), one of each
    sevens = generator.sample(10, seed=100, labels=7)  # ten different sevens
    rows = [np.concatenate(list(images[..., 0]), axis=1) for images in (digits, sevens)]
    Image.fromarray(np.concatenate(rows)).save(run / "digits-and-sevens.png")
    print(run / "digits-and-sevens.png")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
