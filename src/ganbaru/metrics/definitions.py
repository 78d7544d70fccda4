"""The scores by name: what each is called, what it means, and how they are computed together."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru.metrics import class_metrics, kernel, sliced
from ganbaru.metrics.frechet import frechet
from ganbaru.metrics.neighbours import neighbourhood
from ganbaru.metrics.scorer import Look

Labels = NDArray[np.int64]
Values = dict[str, float]


@dataclass(frozen=True)
class Measure:
    """A score's title, which way is better, and what it means, in a line."""

    title: str
    better: str
    meaning: str
    bounds: tuple[float, float] = (0.0, 1.0)  # the least and the greatest value there is


LOWER, HIGHER = "lower", "higher"
ABOVE, ANY = (0.0, math.inf), (-math.inf, math.inf)
MEASURES = {
    "frechet": Measure("Fréchet distance", LOWER, "features apart in mean and spread", ABOVE),
    "kernel": Measure(
        "kernel distance (KID)", LOWER, "features apart in any way; about 0 at best", ANY
    ),
    "precision": Measure("precision", HIGHER, "fakes that could be real ones"),
    "recall": Measure("recall", HIGHER, "reals that could be made"),
    "density": Measure("density", HIGHER, "how typical fakes are; above 1: too typical", ABOVE),
    "coverage": Measure("coverage", HIGHER, "reals with a fake nearby"),
    "novelty": Measure(
        "novelty", HIGHER, "fakes that are no near copies of the reals compared with"
    ),
    "distinct": Measure("distinct", HIGHER, "fakes left when equal ones count once"),
    "sliced": Measure("sliced Wasserstein", LOWER, "pixels apart, no network; 1 is black to white"),
    "class_kl": Measure("class KL", LOWER, "class shares apart, in nats", ABOVE),
    "modes": Measure("classes made", HIGHER, "classes with an image among the fakes", ABOVE),
    "label_accuracy": Measure("label accuracy", HIGHER, "fakes that show the class asked for"),
    "cas": Measure("CAS", HIGHER, "test images that a pupil of the fakes classifies right"),
}


@dataclass(frozen=True)
class FeatureSet:
    """All that scores are made of, for one set of images."""

    look: Look
    asked: Labels | None  # the classes asked for, or the true ones
    places: NDArray[np.float32]  # (n, 128): the pixels along the directions of `sliced`
    marks: Labels  # (n,): equal for images that are equal, byte for byte

    def __len__(self) -> int:
        """Count the images."""
        return len(self.places)

    def part(self, chosen: Labels) -> FeatureSet:
        """Return the view of some of the images."""
        look = Look(
            tuple(x[chosen] for x in self.look.features),
            None if self.look.labels is None else self.look.labels[chosen],
        )
        asked = None if self.asked is None else self.asked[chosen]
        return FeatureSet(look, asked, self.places[chosen], self.marks[chosen])


@dataclass(frozen=True)
class ClassStatistics:
    """What is known of the classes of the reals as a whole."""

    shares: NDArray[np.float64]  # of the classes
    count: int  # of the images that they were counted in


Subsets = Callable[[int, int], Iterable[tuple[Labels, Labels]]]


def measured(
    real: FeatureSet, fake: FeatureSet, truth: ClassStatistics, subsets: Subsets
) -> tuple[Values, Values]:
    """Return the scores of fakes, and their spread over networks where there are several.

    `subsets` draws those of the kernel distance, given the numbers of reals and fakes.
    """
    pairs = zip(real.look.features, fake.look.features, strict=True)
    each = [_of_features(*pair, list(subsets(len(real), len(fake)))) for pair in pairs]
    means = {name: float(np.mean([one[name] for one in each])) for name in each[0]}
    spread = {name: float(np.std([one[name] for one in each], ddof=1)) for name in each[0]
              if len(each) > 1}  # fmt: skip
    means["distinct"] = len(np.unique(fake.marks)) / len(fake)
    means["sliced"] = sliced.between(real.places, fake.places) / 255
    return means | _of_labels(fake, truth), spread


def _of_features(
    real: NDArray[np.floating],
    fake: NDArray[np.floating],
    subsets: Iterable[tuple[Labels, Labels]],
) -> Values:
    return {
        "frechet": frechet(real, fake),
        "kernel": kernel.kernel_distance(real, fake, subsets)[0],
        **dataclasses.asdict(neighbourhood(real, fake)),
    }


def _of_labels(fake: FeatureSet, truth: ClassStatistics) -> Values:
    if fake.look.labels is None:
        return {}
    shares = class_metrics.shares(fake.look.labels, len(truth.shares))
    values = {
        "class_kl": class_metrics.divergence(shares, truth.shares, truth.count),
        "modes": float(class_metrics.modes(fake.look.labels)),
    }
    if fake.asked is not None:
        values["label_accuracy"] = class_metrics.agreement(fake.look.labels, fake.asked)
    return values
