"""Do generated images show a transform of the augmentation more often than reals do?

python -m bench.leaks RUN --data PATH      PATH: real images that the run was not trained on

For each transform of the run a forest of trees learns to tell transformed reals from reals, at
16x16 pixels and by how grey their borders and blocks are. Its threshold is such that it takes one
real in twenty for a transformed one. The share among the run's images, one-sided by Fisher's exact
test against other reals, is evidence of a leak if p is small; images that are bad in another way
may show it too, so a run without augmentation is the control (--control RUN).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import fisher_exact
from sklearn.ensemble import RandomForestClassifier

from ganbaru import config, data, ops
from ganbaru.gan import augmentation
from ganbaru.gan.augmentation import Augmentation
from ganbaru.gan.batches import to_range
from ganbaru.gan.transforms import Transform
from ganbaru.sampling import generators, image_io
from ganbaru.training.run_folder import Folder

FIRST_SEED, COUNT, FALSE = 1_000_000, 1_000, 0.05
BLOCK = 4
Images = np.ndarray


def features(images: Images) -> np.ndarray:
    """Return small pixels (bytes / 255), and the share of grey pixels of borders and blocks."""
    count, height, width, _ = images.shape
    rows, columns = height // 16 or 1, width // 16 or 1
    small = images[:, ::rows, ::columns].reshape(count, -1) / 255
    grey = (np.abs(images.astype(int) - 127.5) < 6).all(axis=3)
    sides = [grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]]
    high, wide = height - height % BLOCK, width - width % BLOCK
    blocks = grey[:, :high, :wide].reshape(count, high // BLOCK, BLOCK, wide // BLOCK, BLOCK)
    whole = blocks.all(axis=(2, 4)).mean(axis=(1, 2))
    means = images.reshape(count, -1, images.shape[3]).mean(axis=1) / 255
    spread = images.reshape(count, -1).std(axis=1) / 255
    borders = [side.mean(axis=1) for side in sides]
    return np.column_stack([small, *borders, whole, means, spread])


def transformed(images: Images, transform: Transform) -> Images:
    """Return every image transformed."""
    made = Augmentation((type(transform)(p=1.0),))
    draws = made.sample(0, "leaks", 0, len(images))
    arrays = made.arrays(draws, 1.0, images.shape[1:])
    return image_io.to_bytes(ops.to_numpy(made.apply(to_range(images), arrays)))


def leak(reals: Images, fakes: Images, transform: Transform) -> tuple[float, float, float]:
    """Return the shares of fakes and of reals that look transformed, and the p-value of more."""
    known, threshold, judged = np.array_split(reals, 3)
    both = np.concatenate([known, transformed(known, transform)])
    forest = RandomForestClassifier(200, min_samples_leaf=3, random_state=0)
    forest.fit(features(both), np.repeat([0, 1], len(known)))
    limit = np.quantile(forest.predict_proba(features(threshold))[:, 1], 1 - FALSE)
    counts = [int((forest.predict_proba(features(x))[:, 1] > limit).sum()) for x in (fakes, judged)]
    table = [[counts[0], len(fakes) - counts[0]], [counts[1], len(judged) - counts[1]]]
    p = fisher_exact(table, alternative="greater").pvalue
    return counts[0] / len(fakes), counts[1] / len(judged), float(p)


def _fakes(run: Path) -> Images:
    generator = generators.load(run)
    return np.concatenate([x for x, _ in generator.batches(generator.seeds(COUNT, FIRST_SEED))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--control", type=Path)
    args = parser.parse_args()
    fakes = _fakes(args.run)
    height, width, channels = fakes.shape[1:]
    found = data.load(args.data, image_size=(height, width), channels=channels).images
    reals = found[np.random.default_rng(0).permutation(len(found))[: 3 * COUNT]]
    spec = str(config.load_yaml(Folder(args.run).config)["augment"])
    others = {"run": fakes, **({"control": _fakes(args.control)} if args.control else {})}
    for transform in augmentation.parse(spec).transforms:
        for name, images in others.items():
            share, real, p = leak(reals, images, transform)
            print(
                f"{transform.NAME:12} {name:8} {share:.3f} of fakes, {real:.3f} of reals, p={p:.3g}"
            )


if __name__ == "__main__":
    main()
