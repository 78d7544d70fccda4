"""The registry of metrics: what each is called, what it means, and how it is computed.

To add a metric, write a pure function in a file of its own and an entry in `METRICS`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ganbaru.errors import RunError
from ganbaru.metrics import class_metrics, intervals, kernel, monge, sliced
from ganbaru.metrics.feature_sets import Comparison
from ganbaru.metrics.frechet import frechet, frechet_at_infinity
from ganbaru.metrics.vendi import vendi

Values = dict[str, float]


@dataclass(frozen=True)
class Metric:
    """A metric: title, better direction, meaning, and a function, None where it is undefined.

    `share` names the images that it is a share of: its interval is at least Wilson's. `limits` is
    its interval or `error` its standard error where a closed form is known; `error_of` names
    another metric with the same error. Else groups of images are left out of it if it is fast
    (`jackknifed`), or subsamples are scored.
    """

    title: str
    better: str
    meaning: str
    compute: Callable[[Comparison], float | None] | None
    bounds: tuple[float, float] = (0.0, 1.0)
    per_network: bool = True  # averaged over the scorer's networks
    slow: bool = False  # left out of evaluations during training
    share: str = ""  # "real", "fake" or "tested"
    error: Callable[[Comparison], float] | None = None
    error_of: str = ""
    jackknifed: bool = False
    limits: Callable[[Comparison], tuple[float, float] | tuple[None, None]] | None = None
    squared: bool = False  # a squared distance, whose error grows with it
    root: bool = False  # the root of a squared distance, whose error is found in its place
    has_interval: bool = True

    @property
    def subsampled(self) -> bool:
        """Whether its standard error is found by scoring subsamples."""
        closed = self.error or self.error_of or self.limits or self.jackknifed
        return bool(self.compute and self.has_interval and not closed)

    def interval(
        self, x: Comparison, value: float, error: float | None, counts: Mapping[str, int]
    ) -> tuple[float, float] | tuple[None, None]:
        """Return a score's 95 % interval within its bounds, (None, None) without an error.

        `counts` are the images that it may be a share of, by the names of `share`.
        """
        if self.limits:
            return self.limits(x)
        if error is None:
            return None, None
        margin = intervals.STUDENT * error
        low, high = value - margin, value + margin
        if self.squared:
            low, high = intervals.of_squared(value, error)
        if self.root:
            limits = intervals.of_squared(value * value, error)
            low, high = (math.sqrt(max(0.0, limit)) for limit in limits)
        if self.share:
            least, most = intervals.wilson(value, counts[self.share])
            low, high = min(low, least), max(high, most)
        return max(self.bounds[0], low), min(self.bounds[1], high)


def _distinct(x: Comparison) -> float:
    return len(np.unique(x.fake.identities)) / len(x.fake)


def _sliced(x: Comparison) -> float:
    return sliced.distance(x.real.projections, x.fake.projections) / 255


def _divergence(x: Comparison) -> class_metrics.Divergence | None:
    if x.fake.features.labels is None:
        return None
    shares = class_metrics.shares(x.fake.features.labels, len(x.classes.shares))
    return class_metrics.divergence(shares, len(x.fake), x.classes.shares, x.classes.count)


def _class_kl(x: Comparison) -> float | None:
    found = _divergence(x)
    return found.value if found else None


def _class_kl_limits(x: Comparison) -> tuple[float, float] | tuple[None, None]:
    found = _divergence(x)
    return found.limits if found else (None, None)


def _modes(x: Comparison) -> float | None:
    labels = x.fake.features.labels
    return None if labels is None else float(class_metrics.modes(labels))


def _unseen_modes(x: Comparison) -> float | None:
    labels = x.fake.features.labels
    return None if labels is None else class_metrics.unseen_modes(labels, len(x.classes.shares))


def _label_accuracy(x: Comparison) -> float | None:
    if x.fake.features.labels is None or x.fake.labels is None:
        return None
    return class_metrics.agreement(x.fake.features.labels, x.fake.labels)


def _of_neighbours(
    name: str, meaning: str, share: str = "", bounds: tuple[float, float] = (0.0, 1.0)
) -> Metric:
    value = operator.attrgetter(f"neighbours.{name}")
    return Metric(name, HIGHER, meaning, value, bounds, share=share)


def _with_error(metric: Metric) -> Metric:
    name = metric.title
    return dataclasses.replace(metric, error=lambda x: x.neighbours.errors[name])


LOWER, HIGHER = "lower", "higher"
POSITIVE, ANY = (0.0, math.inf), (-math.inf, math.inf)
_of_images = functools.partial(Metric, per_network=False)
METRICS = {
    "frechet": Metric(
        "Fréchet distance",
        LOWER,
        "distance of feature means and covariances",
        lambda x: frechet(*x.features),
        POSITIVE,
        jackknifed=True,
    ),
    "frechet_infinity": Metric(
        "Fréchet at infinity",
        LOWER,
        "the same for infinitely many images; about 0 at best",
        lambda x: frechet_at_infinity(*x.features),
        ANY,
        error_of="frechet",
    ),
    "mind": Metric(
        "Monge distance (MIND)",
        LOWER,
        "transport of features along directions; sure with fewer images",
        lambda x: monge.mind(*x.features),
        POSITIVE,
        error=lambda x: monge.standard_error(*x.features),
        squared=True,
    ),
    "kernel": Metric(
        "kernel distance (KID)",
        LOWER,
        "distance of feature distributions; about 0 at best",
        lambda x: x.kernel_distance[0],
        ANY,
        slow=True,
        error=lambda x: kernel.standard_error(*x.features, x.kernel_distance[1], len(x.subsets)),
        squared=True,
    ),
    "precision": _of_neighbours("precision", "fakes that could be real", "fake"),
    "recall": _of_neighbours("recall", "reals that could be generated", "real"),
    "density": _with_error(
        _of_neighbours("density", "how typical fakes are; above 1: too typical", bounds=POSITIVE)
    ),
    "coverage": _with_error(_of_neighbours("coverage", "reals with a fake nearby", "real")),
    "novelty": _of_neighbours("novelty", "fakes that are no near copies of references", "fake"),
    "vendi": Metric(
        "Vendi score",
        HIGHER,
        "effective number of different fakes; see that of reals",
        lambda x: vendi(x.features[1], x.features[0].mean(axis=0)),
        (1.0, math.inf),
        jackknifed=True,
    ),
    "c2st": Metric(
        "two-sample test (C2ST)",
        LOWER,
        "accuracy of nearest neighbours in telling fakes from reals; 0.5 at best",
        lambda x: x.two_sample_test.accuracy,
        slow=True,
        share="tested",
        error=lambda x: x.two_sample_test.error,
    ),
    "distinct": _of_images(
        "distinct", HIGHER, "fakes left when equal ones count once", _distinct, share="fake"
    ),
    "sliced": _of_images(
        "sliced Wasserstein",
        LOWER,
        "distance of pixels, no network; 1 is black to white",
        _sliced,
        error=lambda x: sliced.squared_error(x.real.projections, x.fake.projections) / 255**2,
        root=True,
    ),
    "class_kl": _of_images(
        "class KL",
        LOWER,
        "divergence of class shares, in nats; about 0 at best",
        _class_kl,
        ANY,
        limits=_class_kl_limits,
    ),
    "modes": _of_images(
        "classes made", HIGHER, "classes among the fakes", _modes, POSITIVE, has_interval=False
    ),
    "unseen_modes": _of_images(
        "classes made, estimated",
        HIGHER,
        "the same with those that more fakes would show (Chao1)",
        _unseen_modes,
        POSITIVE,
        has_interval=False,
    ),
    "label_accuracy": _of_images(
        "label accuracy",
        HIGHER,
        "fakes that show the requested class",
        _label_accuracy,
        share="fake",
    ),
    # Computed by `Evaluator`, since they train a classifier.
    "c2st_network": _of_images(
        "two-sample test by a network",
        LOWER,
        "accuracy of a freshly trained network in telling fakes from reals; 0.5 at best",
        None,
        share="tested",
    ),
    "cas": _of_images(
        "CAS", HIGHER, "accuracy on real images of a classifier trained on fakes", None
    ),
}


COMPUTED = [name for name, metric in METRICS.items() if metric.compute]
QUICK = [name for name in COMPUTED if not METRICS[name].slow]
JACKKNIFED = [name for name, metric in METRICS.items() if metric.jackknifed]
SUBSAMPLED = [name for name in COMPUTED if METRICS[name].subsampled]


def compute_scores(
    compared: Sequence[Comparison], names: Sequence[str] = COMPUTED
) -> tuple[Values, Values]:
    """Return the scores of fakes, and their standard deviations over networks if several."""
    means, deviations = {}, {}
    for name in names:
        metric = METRICS[name]
        assert metric.compute
        found = [metric.compute(x) for x in (compared if metric.per_network else compared[:1])]
        each = [value for value in found if value is not None]
        if not np.isfinite(each).all():
            raise RunError(f"The {metric.title} of these features is too large for a number.")
        if each:
            means[name] = float(np.mean(each))
        if len(each) > 1:
            deviations[name] = float(np.std(each, ddof=1))
    return means, deviations
