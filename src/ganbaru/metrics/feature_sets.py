"""What metrics are computed from: the features of reals and fakes, side by side."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru.metrics import kernel, two_sample
from ganbaru.metrics.neighbours import Neighbourhood, neighbourhood
from ganbaru.metrics.scorer import Features
from ganbaru.metrics.two_sample import TwoSampleTest

Labels = NDArray[np.int64]
Subsets = Sequence[tuple[Labels, Labels]]


@dataclass(frozen=True)
class FeatureSet:
    """What metrics are computed from, for one set of images."""

    features: Features
    labels: Labels | None  # requested of the generator, or the true ones
    projections: NDArray[np.float32]  # (n, 128): the pixels along the directions of `sliced`
    identities: Labels  # (n,): equal for images that are equal byte for byte

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.projections)

    def subset(self, chosen: Labels) -> FeatureSet:
        """Return the features of some of the images."""
        features = Features(
            tuple(x[chosen] for x in self.features.arrays),
            None if self.features.labels is None else self.features.labels[chosen],
        )
        labels = None if self.labels is None else self.labels[chosen]
        return FeatureSet(features, labels, self.projections[chosen], self.identities[chosen])


@dataclass(frozen=True)
class ClassStatistics:
    """Class shares of the whole real data set, and the number of images they were counted in."""

    shares: NDArray[np.float64]
    count: int


@dataclass(frozen=True)
class Comparison:
    """Reals and fakes as one network of the scorer sees them: the argument of every metric."""

    real: FeatureSet
    fake: FeatureSet
    classes: ClassStatistics
    subsets: Subsets  # of the kernel distance
    network: int = 0

    @property
    def features(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Real features (N, D) and fake ones (M, D)."""
        return self.real.features.arrays[self.network], self.fake.features.arrays[self.network]

    @functools.cached_property
    def neighbours(self) -> Neighbourhood:
        """The metrics of nearest neighbours, which share their distances."""
        return neighbourhood(*self.features)

    @functools.cached_property
    def kernel_distance(self) -> tuple[float, float]:
        """The kernel distance: its mean and deviation over subsets."""
        return kernel.kernel_distance(*self.features, self.subsets)

    @functools.cached_property
    def two_sample_test(self) -> TwoSampleTest:
        """The test of nearest neighbours that tells fakes from reals."""
        return two_sample.two_sample_test(*self.features, two_sample.nearest_neighbours)


def comparisons(
    real: FeatureSet, fake: FeatureSet, classes: ClassStatistics, subsets: Subsets = ()
) -> list[Comparison]:
    """Return the comparison as each network of the scorer sees it."""
    networks = range(len(real.features.arrays))
    return [Comparison(real, fake, classes, subsets, i) for i in networks]
