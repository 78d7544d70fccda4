"""Whether a scorer sees damage: python -m bench.scorers [--data NAME ...] [--scorer NAME]

Real images that are no reference are damaged in six ways, each at two or three strengths, and
scored. Every damage must be worse than the weaker one of its kind, the weakest worse than the
undamaged images, by the Fréchet and the kernel distance. Prints a Markdown table and what is out of
order. Needs the data (see --data of `ganbaru train`) and, for efficientnet, the extra `pictures`.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from ganbaru import data, randomness
from ganbaru.data import Source
from ganbaru.metrics import efficientnet, evaluation, evaluator, kernel, scorer
from ganbaru.metrics.definitions import Values, compute_scores
from ganbaru.metrics.evaluator import Evaluator
from ganbaru.metrics.feature_sets import comparisons

COUNT = 1900
COLUMNS = ("frechet", "kernel", "precision", "recall", "density", "coverage")
Images = np.ndarray
# The classes of CIFAR-10 that are dropped first are one machine and one animal, and so on: without
# its ships and trucks alone, animals would prevail.
DROPPED = (3, 1, 5, 9, 7)


def blurred(images: Images, sigma: float) -> Images:
    from scipy.ndimage import gaussian_filter

    soft = [gaussian_filter(image.astype(float), (sigma, sigma, 0)) for image in images]
    return np.rint(soft).astype(np.uint8)


def noisy(images: Images, deviation: float) -> Images:
    drawn = randomness.normal(1, "noise", 0, images.size).reshape(images.shape)
    return np.clip(np.rint(images + deviation * drawn), 0, 255).astype(np.uint8)


def compressed(images: Images, quality: int) -> Images:
    def one(image: Images) -> Images:
        content = io.BytesIO()
        Image.fromarray(image).save(content, "JPEG", quality=quality)
        return np.asarray(Image.open(content))

    return np.stack([one(image) for image in images])


def chequered(images: Images, depth: float) -> Images:
    """Add and subtract `depth` in turn, as a transposed convolution's uneven overlap does."""
    signs = 1 - 2 * (np.indices(images.shape[1:3]).sum(axis=0) % 2)
    return np.clip(np.rint(images + depth * signs[..., None]), 0, 255).astype(np.uint8)


DAMAGE: dict[str, tuple[Callable[[Images, float], Images], tuple[float, ...]]] = {
    "blur, sigma": (blurred, (0.5, 1, 2)),
    "noise, deviation": (noisy, (5, 10, 20)),
    "JPEG, quality": (compressed, (30, 10)),
    "checkerboard, depth": (chequered, (4, 8, 16)),
}


def modes(source: Source) -> np.ndarray:
    """Return the mode of each image, from the one dropped first: its class, or one of 10 clusters.

    Clusters are of pixels at 8x8, from the smallest one.
    """
    if source.labels is not None:
        order = [*DROPPED, *np.setdiff1d(np.arange(10), DROPPED)]
        return np.argsort(order)[source.labels]
    from sklearn.cluster import KMeans

    pixels = scorer.resized(source.images, (8, 8)).reshape(len(source.images), -1)
    found = KMeans(10, n_init=1, random_state=0).fit_predict(pixels / 255)
    return np.argsort(np.argsort(np.bincount(found)))[found]


def sets(by: Evaluator, source: Source) -> dict[str, list[tuple[str, Images]]]:
    """Return sets of images by kind of damage, from weak to strong; `source` has the labels."""
    real = by.split.held_out
    found = {
        kind: [(f"{kind} {amount}", damage(real, amount)) for amount in amounts]
        for kind, (damage, amounts) in DAMAGE.items()
    }
    order = randomness.permutation(0, "modes", 0, len(source.images))
    free = order[~np.isin(order, by.split.reference)]
    of = modes(source)[free]
    found["modes"] = []
    for lost in (2, 5):
        kept = free[of >= lost][: len(real)]
        if len(kept) < len(real):
            print(f"{lost} modes lost: only {len(kept)} images are left")
        found["modes"].append((f"{lost} of 10 modes lost", source.images[kept]))
    return found


def scores(by: Evaluator, images: Images) -> Values:
    fake = evaluator.feature_set(by.scorer, images, None, data.silent)
    subsets = [*kernel.subsets(len(by.reference), len(fake), 0)][:10]
    return compute_scores(comparisons(by.reference, fake, by.classes, subsets), COLUMNS)[0]


def table(name: str, how: str, count: int) -> None:
    source = labelled = data.load(name)
    if how == "efficientnet" and source.classes:  # without the classifier of a labelled set
        source = data.in_memory(source.name, source.images)
    make = evaluation.maker(how, None, None, "numpy", "auto")
    by = evaluator.make_evaluator(source, None, make, number=count)
    baseline = scores(by, by.split.held_out)
    print(f"\n{name}: {by.passport(count, source.images.shape[1:]).resize}\n")
    print(f"| damage | {' | '.join(COLUMNS)} | Fréchet over baseline |")
    print("|---|" + "---|" * (len(COLUMNS) + 1))
    show("none", baseline, baseline)
    wrong = []
    for kind in sets(by, labelled).values():
        before = baseline
        for label, images in kind:
            found = scores(by, images)
            show(label, found, baseline)
            wrong += [(label, k) for k in ("frechet", "kernel") if not found[k] > before[k]]
            before = found
    print(f"\nout of order: {wrong or 'nothing'}")


def show(label: str, found: Values, baseline: Values) -> None:
    cells = " | ".join(f"{found[name]:.3f}" for name in COLUMNS)
    print(f"| {label} | {cells} | {found['frechet'] / baseline['frechet']:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", default=["cat-faces", "cifar10"])
    parser.add_argument("--scorer", default="efficientnet")
    parser.add_argument("--size", type=int, help="the longer side of efficientnet's input")
    parser.add_argument("-n", type=int, default=COUNT, help="images of each set")
    options = parser.parse_args()
    efficientnet.LONGEST = options.size or efficientnet.LONGEST
    for name in options.data:
        began = time.process_time()
        table(name, options.scorer, options.n)
        print(f"{time.process_time() - began:.0f} s of processor time")


if __name__ == "__main__":
    main()
