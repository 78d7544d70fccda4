"""Selection: the best K of N generated images, by D or by density, and what it costs in recall."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import nn, randomness
from ganbaru.data import Progress
from ganbaru.engines.numpy import distances
from ganbaru.errors import InputError, pick, shortened
from ganbaru.gan import build
from ganbaru.gan.dataset import load_data
from ganbaru.latents.layer_features import batches, discriminator
from ganbaru.metrics import efficientnet
from ganbaru.metrics.neighbours import NEAREST, neighbourhood
from ganbaru.sampling import writers
from ganbaru.sampling.generators import Generator
from ganbaru.sampling.image_io import Images
from ganbaru.sampling.labels import Inputs, Labels, groups
from ganbaru.sampling.players import Player, load_player

DEFAULT = "d"
REALS, MOST = 1000, 10_000  # real images that fakes are compared with, and images made, at most

Array = NDArray[np.float64]
Features = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Selection:
    """The seeds of the best images, best first; `note` says what the choice costs in recall.

    `recall` is that of the images chosen and of as many unselected ones, None where it was not
    measured.
    """

    seeds: tuple[int, ...]
    recall: tuple[float, float] | None
    note: str


def counts(text: str) -> tuple[int, int]:
    """Return K and N of a text such as "16-of-64"; raises InputError."""
    found = re.fullmatch(r"(\d{1,9})-of-(\d{1,9})", text)
    best, made = map(int, found.groups()) if found else (0, 0)
    if not 1 <= best <= made <= MOST:
        raise InputError(
            f"--best {shortened(text)!r} is no choice: give K-of-N, such as 16-of-64, with K from "
            f"1 to N and N at most {MOST:,}."
        )
    return best, made


def select(
    judge: Player,
    generator: Generator,
    best: str,
    by: str,
    seed: int,
    labels: Labels,
    truncation: float,
    progress: Progress,
) -> Selection:
    """Choose the best K of N seeds from `seed` on, by "d", which `judge` is, or by "density".

    Of a generator with labels the best of each label are chosen, in its share. Density is that of
    real images around an image, by the distance to the fifth nearest in the features of the
    picture scorer (or the set's own).
    """
    score = pick("--best-by", by, BY)
    count, made = counts(best)
    seeds = generator.seeds(made, seed)
    of = generator.labels(seeds, labels)
    images = np.concatenate([x for x, _ in generator.batches(seeds, labels, truncation)])
    features: tuple[Features, Features] | str
    try:
        features = _features(judge, images, progress)
    except InputError as error:
        if by != "d":
            raise
        features = str(error).partition(". ")[0]
    scores = score(judge, images, of, features)
    chosen = _best(scores, of, count)
    if isinstance(features, str):
        return Selection(_seeds(seeds, chosen), None, f"recall is not measured: {features}")
    reals, fakes = features
    if count <= NEAREST:
        why = f"recall is not measured: it needs more than {NEAREST} images"
        return Selection(_seeds(seeds, chosen), None, why)
    # Seeds are independent, so the first K stand for any K without selection.
    recalls = [neighbourhood(reals, fakes[each]).recall for each in (chosen, np.arange(count))]
    note = f"recall {recalls[0]:.2f}, and {recalls[1]:.2f} of {count:,} images without selection"
    return Selection(_seeds(seeds, chosen), (recalls[0], recalls[1]), note)


def job(
    generator: Generator,
    checkpoint: str | Path,
    best: str | None,
    by: str,
    *,
    every_label: bool,
    n: int,
    seed: int,
    label: str | None,
    truncation: float,
    trust: Collection[str],
    progress: Progress,
) -> tuple[writers.Job, str]:
    """Return the images to write, and the note on a selection, "" without one."""
    how: dict[str, Any] = {"truncation": truncation, "progress": progress}
    if best is None and by != DEFAULT:
        raise InputError(f"--best-by {by} belongs to --best: give --best 16-of-64, too.")
    if best is None:
        choose = writers.every_label if every_label else writers.each_seed
        return choose(generator, n, seed, label, **how), ""
    if every_label:
        raise InputError("--best chooses among images: leave out --every-label.")
    judge = discriminator(checkpoint, "auto", trust)
    if judge is None and by == "d":
        raise InputError(f"{checkpoint} has no discriminator: give --best-by density.")
    judge = judge or load_player(checkpoint, trust=trust)
    found = select(judge, generator, best, by, seed, label, truncation, progress)
    chosen = writers.Job(generator, found.seeds, label, None, **how)
    return chosen, f"the best {len(found.seeds):,} of {counts(best)[1]:,} by {by}, {found.note}"


def _seeds(seeds: range, chosen: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(seeds[i] for i in chosen)


def _best(scores: Array, labels: Inputs | None, count: int) -> NDArray[np.int64]:
    """Return the places of the best scores, best first; of each label its share."""
    order = np.argsort(-scores, kind="stable")
    ranks = np.empty(len(scores))
    for places in groups(labels, len(scores)):
        own = order[np.isin(order, places)]
        ranks[own] = (np.arange(len(own)) + 0.5) / len(own)
    chosen = np.argsort(ranks, kind="stable")[:count]
    best: NDArray[np.int64] = chosen[np.argsort(-scores[chosen], kind="stable")]
    return best


def _features(judge: Player, images: Images, progress: Progress) -> tuple[Features, Features]:
    """Return the features of real images (M, D) of the run, and of images (N, D)."""
    source = load_data(judge.config, progress)
    scorer = efficientnet.automatic("numpy", "auto", source, progress)
    order = randomness.permutation(0, "selection", 0, len(source.images))[:REALS]
    both = (source.images[np.sort(order)], images)
    found = [np.concatenate(scorer.extract(x, progress).arrays, axis=1) for x in both]
    return found[0], found[1]


def _by_d(judge: Player, images: Images, labels: Inputs | None, features: Any) -> Array:
    """Return D's realness (N,) of images."""
    floats = (images.transpose(0, 3, 1, 2) / np.float32(127.5) - 1).astype(np.float32)
    realness = build.objective(judge.config.objective, judge.config.trust)[0].realness
    found = [
        realness(nn.apply(judge.network, judge.parameters, judge.buffers, *some, training=False)[0])
        for some in batches(floats, *([] if labels is None else [labels]))
    ]
    return np.concatenate([np.asarray(x, np.float64).reshape(len(x), -1).mean(1) for x in found])


def _by_density(judge: Player, images: Images, labels: Inputs | None, features: Any) -> Array:
    """Return the negative distances (N,) to the fifth nearest real image."""
    reals, fakes = (x.astype(np.float64) for x in features)
    found = [
        np.sort(distances.squares(fakes[part], reals), axis=1)[:, min(NEAREST, len(reals)) - 1]
        for part in distances.blocks(fakes, reals)
    ]
    return -np.sqrt(np.maximum(np.concatenate(found), 0))


BY: dict[str, Callable[[Player, Images, Inputs | None, Any], Array]] = {
    "d": _by_d,
    "density": _by_density,
}
