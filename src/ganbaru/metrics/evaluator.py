"""The evaluator: a scorer, reference images and real-image baselines for many generators."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganbaru import data, files, randomness
from ganbaru.data import Progress, Source
from ganbaru.data.picture import RULE
from ganbaru.errors import InputError
from ganbaru.metrics import class_metrics, classifier, intervals, kernel, scorer, sliced, two_sample
from ganbaru.metrics.classifier import Images, Labels, Recipe
from ganbaru.metrics.definitions import METRICS, QUICK, Values, compute_scores
from ganbaru.metrics.feature_sets import (
    ClassStatistics,
    Comparison,
    FeatureSet,
    comparisons,
)
from ganbaru.metrics.neighbours import NEAREST
from ganbaru.metrics.passport import Evaluation, Passport, Score
from ganbaru.metrics.scorer import Scorer
from ganbaru.metrics.standard_errors import standard_errors
from ganbaru.metrics.two_sample import TwoSampleTest

VERSION = 2  # of the scores' computation: raise it when numbers change
MAX_IMAGES = 10_000  # by default
MIN_IMAGES = 50  # of each kind: scores of fewer mean nothing
CAS_RECIPE = Recipe(width=8, shown=16_000)


@dataclass(frozen=True)
class ReferenceSplit:
    """Real images in three disjoint parts: the scorer's, the reference, the held-out images."""

    source: Source
    reference: Labels  # indices into the source
    held_out: Images
    held_out_labels: Labels | None
    held_out_kind: str
    unseen: int  # images that the reference was chosen from

    @staticmethod
    def of(
        source: Source, test: Source | None, number: int | None, limit: int, learns: bool
    ) -> ReferenceSplit:
        """Choose up to `number` reference and held-out images; None: equally many, up to `limit`.

        The reference comes from the half of the training images that scorers do not learn from,
        and beyond that half from the other one unless the scorer `learns` from it. Held out are
        test images, or half of that half if there are none.
        """
        seen, unseen = scorer.halves(source)
        if test is None:
            unseen, rest = np.array_split(unseen, 2)
            images, labels, kind = source.images, source.labels, "other training images"
        else:
            rest = randomness.permutation(scorer.SEED, "held out", 0, len(test.images))
            images, labels, kind = test.images, test.labels, "test images"
        unseen = unseen if learns else np.concatenate([unseen, seen])
        most = min(limit, len(unseen), len(rest)) if number is None else number
        chosen, reference = np.sort(rest[:most]), np.sort(unseen[:most])
        if min(len(chosen), len(reference)) < MIN_IMAGES:
            raise InputError(
                f"{source.name} has too few images to score with: its {len(source.images):,} "
                f"images give {len(reference)} reference and {len(chosen)} held-out ones, and each "
                f"part needs {MIN_IMAGES}. Give more real images with --data."
            )
        held_out_labels = None if labels is None else labels[chosen]
        return ReferenceSplit(source, reference, images[chosen], held_out_labels, kind, len(unseen))


@dataclass(frozen=True)
class Evaluator:
    """Scores sets of images against the same reference; made by `make_evaluator`."""

    scorer: Scorer
    split: ReferenceSplit
    reference: FeatureSet
    classes: ClassStatistics
    seed: int
    progress: Progress

    def score(
        self,
        subject: str,
        origin: dict[str, Any],
        images: Images,
        labels: Labels | None,
        fake_labels: str = "",
    ) -> Evaluation:
        """Score bytes (N, H, W, C), generated for classes (N,) if conditional.

        `fake_labels` is the rule by which a generator got its labels, for the passport.
        """
        fake = feature_set(self.scorer, images, labels, self.progress)
        compared = self._compared(fake)
        values, deviations = compute_scores(compared)
        errors = standard_errors(compared, self.seed, self.progress)
        resized = self.scorer.resize(images)
        if labels is not None and self.classes.shares.size:
            values["cas"], errors["cas"] = self._cas(resized, labels)
        tests = {"c2st": compared[0].two_sample_test, "c2st_network": self._network_test(resized)}
        values["c2st_network"] = tests["c2st_network"].accuracy
        errors["c2st_network"] = tests["c2st_network"].error
        baselines = self.baselines(len(images), labels is not None)
        reals, fakes = len(self.reference), len(images)
        counts = {"real": reals, "fake": fakes, "tested": tests["c2st"].tested}
        scores = {}
        for name, value in values.items():
            low, high = METRICS[name].interval(compared[0], value, errors.get(name), counts)
            p = tests[name].p if name in tests else None
            scores[name] = Score(value, low, high, baselines[name], deviations.get(name), p)
        passport = self.passport(len(images), images.shape[1:], fake_labels)
        notes = self.scorer.notes + self._few_held_out(len(images))
        return Evaluation(subject, origin, passport, scores, self._class_shares(fake), notes)

    def quick_scores(self, images: Images, labels: Labels | None) -> Values:
        """Return the scores without intervals, CAS and other slow metrics, for use in training."""
        fake = feature_set(self.scorer, images, labels, data.silent)
        return compute_scores(comparisons(self.reference, fake, self.classes), QUICK)[0]

    def _compared(self, fake: FeatureSet) -> list[Comparison]:
        subsets = list(kernel.subsets(len(self.reference), len(fake), self.seed))
        return comparisons(self.reference, fake, self.classes, subsets)

    @functools.cached_property
    def _resized_reference(self) -> Images:
        return self.scorer.resize(self.split.source.images[self.split.reference])

    def _classified(
        self, known: Images, labels: Labels, queries: Images, classes: int, what: str
    ) -> Labels:
        """Return the labels of the images `queries` by a network trained on known ones."""

        def progress(done: int, total: int, _: str) -> None:
            self.progress(done, total, what)

        network = classifier.train(known, labels, classes, CAS_RECIPE, progress)
        return network.labels(queries, self.progress)

    def _network_test(self, resized: Images) -> TwoSampleTest:
        """Return the test of a network trained to tell these images from the reference."""

        def classify(known: Images, labels: Labels, queries: Images) -> Labels:
            what = "training a network to tell fakes from reals (C2ST)"
            return self._classified(known, labels, queries, 2, what)

        return two_sample.two_sample_test(self._resized_reference, resized, classify)

    def _cas(self, resized: Images, labels: Labels) -> tuple[float, float]:
        """Train on fakes, test on reals (Ravuri and Vinyals 2019): accuracy, standard error."""
        tested = self.scorer.resize(self.split.held_out)
        what = "training a classifier on fakes (CAS)"
        assert self.split.held_out_labels is not None
        found = self._classified(resized, labels, tested, len(self.classes.shares), what)
        accuracy = class_metrics.agreement(found, self.split.held_out_labels)
        return accuracy, float(np.sqrt(accuracy * (1 - accuracy) / len(tested)))

    def baselines(self, count: int, labelled: bool, *, quick: bool = False) -> Values:
        """Return the scores of `count` held-out reals in place of fakes, cached on disk.

        `quick` gives those of `quick_scores`.
        """
        info = self.scorer.info
        key: list[Any] = [VERSION, [*METRICS], dataclasses.astuple(CAS_RECIPE), quick, labelled]
        key += [info.hash, info.shape, self.split.source.fingerprint, len(self.reference)]
        key += [count, self.seed, *([info.network] if info.network else [])]
        name = f"scorers/baselines-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:20]}.json"
        images, labels = self.split.held_out[:count], self.split.held_out_labels
        labels = labels[:count] if labelled and labels is not None else None
        compute = self.quick_scores if quick else self._full_baselines
        content = files.cached(name, lambda: json.dumps(compute(images, labels)).encode())
        baselines: Values = json.loads(content)
        return baselines

    def _full_baselines(self, images: Images, labels: Labels | None) -> Values:
        held_out = feature_set(self.scorer, images, labels, self.progress)
        baselines, _ = compute_scores(self._compared(held_out))
        baselines["c2st_network"] = self._network_test(self.scorer.resize(images)).accuracy
        if labels is not None and self.classes.shares.size:
            source, chosen = self.split.source, self.split.reference
            assert source.labels is not None
            baselines["cas"], _ = self._cas(self._resized_reference, source.labels[chosen])
        return baselines

    def _few_held_out(self, fakes: int) -> tuple[str, ...]:
        held_out = len(self.split.held_out)
        if held_out >= fakes:
            return ()
        return (
            f"The baselines are of only {held_out:,} other real images; {fakes:,}, as many as "
            f"were scored, would get better ones, above all recall, coverage and Fréchet distance.",
        )

    def _class_shares(self, fake: FeatureSet) -> dict[str, tuple[float, float]]:
        if fake.features.labels is None:
            return {}
        shares = class_metrics.shares(fake.features.labels, len(self.classes.shares))
        pairs = zip(shares.tolist(), self.classes.shares.tolist(), strict=True)
        return dict(zip(self.split.source.classes, pairs, strict=True))

    def passport(self, fakes: int, shape: tuple[int, ...], fake_labels: str = "") -> Passport:
        """Return everything that the scores of `fakes` images (H, W, C) depend on."""
        info, split = self.scorer.info, self.split
        own, seen = "x".join(map(str, shape)), "x".join(map(str, info.shape))
        held_out = min(len(split.held_out), fakes)
        sizes = intervals.size(len(self.reference)), intervals.size(fakes)
        return Passport(
            scorer=f"{info.kind} {info.version}.{VERSION}",
            scorer_hash=info.hash,
            scorer_accuracy=info.accuracy,
            data=split.source.name,
            fingerprint=split.source.fingerprint,
            reference=f"training images that the scorer has not seen ({split.unseen:,})"
            if self.scorer.learns
            else f"all training images ({split.unseen:,})",
            reals=len(self.reference),
            fakes=fakes,
            floor=f"{held_out:,} {split.held_out_kind}",
            resize=(f"{own} to {seen}, rule {RULE}" if own != seen else f"{own}, as it is")
            + (f"; {info.network}" if info.network else ""),
            seed=self.seed,
            interval=f"95 %: {intervals.SUBSAMPLES} subsamples of each side: {sizes[0]:,} reals, "
            f"{sizes[1]:,} fakes",
            cas=f"width {CAS_RECIPE.width}, {CAS_RECIPE.shown:,} images shown at most",
            neighbours=NEAREST,
            fake_labels=fake_labels,
        )


def make_evaluator(
    source: Source,
    test: Source | None,
    make_scorer: scorer.Maker,
    number: int | None = None,
    limit: int = MAX_IMAGES,
    seed: int = 0,
    progress: Progress = data.silent,
) -> Evaluator:
    """Make an evaluator of a source: train or load the scorer, compute the reference's features.

    `test` are its test images, if any. `number` is how many reference and held-out images there
    are at most; None: equally many, up to `limit`.
    """
    # Too few images are refused before a scorer is trained.
    ReferenceSplit.of(source, test, number, limit, learns=False)
    found = make_scorer(source, progress)
    split = ReferenceSplit.of(source, test, number, limit, found.learns)
    labels = None if source.labels is None else source.labels[split.reference]
    reference = feature_set(found, source.images[split.reference], labels, progress)
    shares = np.empty(0)
    if found.info.classes and source.labels is not None:
        shares = class_metrics.shares(source.labels, len(source.classes))
    classes = ClassStatistics(shares, len(source.images))
    return Evaluator(found, split, reference, classes, seed, progress)


def feature_set(
    scorer: Scorer, images: Images, labels: Labels | None, progress: Progress
) -> FeatureSet:
    """Return the features of images (N, H, W, C)."""
    rows = np.ascontiguousarray(scorer.resize(images)).reshape(len(images), -1)
    known: dict[bytes, int] = {}
    identities = [known.setdefault(row.tobytes(), len(known)) for row in rows]
    features = scorer.extract(images, progress)
    return FeatureSet(features, labels, sliced.projected(rows), np.array(identities, np.int64))
