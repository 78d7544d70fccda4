"""A judge: a scorer, reference images and their floors, ready to score any number of generators."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ganbaru import randomness
from ganbaru.data import Progress, Source, silent
from ganbaru.data.resize import RULE
from ganbaru.errors import InputError
from ganbaru.metrics import class_metrics, classifier, intervals, kernel, scorer, sliced
from ganbaru.metrics.classifier import Images, Labels, Recipe
from ganbaru.metrics.definitions import MEASURES, ClassStatistics, FeatureSet, Values, measured
from ganbaru.metrics.disk_cache import kept
from ganbaru.metrics.passport import Evaluation, Passport, Score
from ganbaru.metrics.scorer import Scorer

VERSION = 1  # of how scores are made: raise it when numbers would come out differently
COUNT = 10_000  # images at most, unless more are asked for
LEAST = 50  # images of each kind: with fewer, no score says anything
PUPIL = Recipe(width=8, shown=16_000)  # of CAS


@dataclass(frozen=True)
class ReferenceSplit:
    """Real images in three parts that share none: the scorer's, the reference, the held out."""

    source: Source
    reference: Labels  # places in the source
    held_out: Images
    held_out_labels: Labels | None
    held_out_are: str  # in words
    unseen: int  # images that the reference was chosen from

    @staticmethod
    def of(source: Source, test: Source | None, number: int | None, limit: int) -> ReferenceSplit:
        """Choose reference and held-out images: up to `number` of each, or as many of both.

        Without a `number` it is what there are of both, at most `limit`.

        The reference is of the half of the training images that scorers do not learn from; held
        out are test images, or half of that half where there are none.
        """
        _, fresh = scorer.halves(source)
        if test is None:
            fresh, rest = np.array_split(fresh, 2)
            images, labels, are = source.images, source.labels, "other training images"
        else:
            rest = randomness.permutation(scorer.SEED, "held out", 0, len(test.images))
            images, labels, are = test.images, test.labels, "test images"
        most = min(limit, len(fresh), len(rest)) if number is None else number
        chosen, reference = np.sort(rest[:most]), np.sort(fresh[:most])
        if min(len(chosen), len(reference)) < LEAST:
            raise InputError(
                f"{source.name} has too few images to score with: {len(source.images):,} are "
                f"{len(reference)} to compare with and {len(chosen)} held out, and each needs "
                f"{LEAST}. Give more real images, such as --data with all of them."
            )
        return ReferenceSplit(
            source, reference, images[chosen], None if labels is None else labels[chosen],
            are, len(fresh),
        )  # fmt: skip


@dataclass(frozen=True)
class Evaluator:
    """Scores sets of images against the same reference; `judge` makes one."""

    scorer: Scorer
    reals: ReferenceSplit
    view: FeatureSet  # of the reference
    truth: ClassStatistics
    seed: int
    notes: tuple[str, ...]
    progress: Progress

    def score(
        self, subject: str, origin: dict, images: Images, labels: Labels | None
    ) -> Evaluation:
        """Score bytes (N, H, W, C), with the classes (N,) that were asked for, if any."""
        fitted = self.scorer.resize(images)
        fake = self._seen(fitted, labels)
        values, spread = measured(self.view, fake, self.truth, self._subsets)
        errors = self._errors(fake)
        if labels is not None and self.truth.shares.size:
            values["cas"], errors["cas"] = self._cas(fitted, labels)
        floors = self._floors(len(images), labels is not None)
        scores = {name: _score(name, values[name], errors[name], floors[name], spread.get(name))
                  for name in values}  # fmt: skip
        passport = self.passport(len(images), images.shape[1:])
        notes = self.notes + self._fewer(len(images))
        return Evaluation(subject, origin, passport, scores, self._classes(fake), notes)

    def _seen(self, fitted: Images, labels: Labels | None) -> FeatureSet:
        return view(self.scorer, fitted, labels, self.progress)

    def _subsets(self, reals: int, fakes: int) -> list[tuple[Labels, Labels]]:
        return list(kernel.drawn(reals, fakes, self.seed))

    def _errors(self, fake: FeatureSet) -> Values:
        def score(reals: Labels, fakes: Labels) -> Values:
            parts = self.view.part(reals), fake.part(fakes)
            return measured(*parts, self.truth, _whole)[0]

        return intervals.errors(score, len(self.view), len(fake), self.seed, self.progress)

    def _cas(self, fitted: Images, labels: Labels) -> tuple[float, float]:
        """Train on fakes, test on reals (Ravuri and Vinyals 2019): accuracy and its error."""
        classes = len(self.truth.shares)
        pupil = classifier.train(fitted, labels, classes, PUPIL, _renamed(self.progress, "CAS"))
        tested = self.scorer.resize(self.reals.held_out)
        assert self.reals.held_out_labels is not None
        found = pupil.labels(tested, self.progress)
        accuracy = class_metrics.agreement(found, self.reals.held_out_labels)
        return accuracy, float(np.sqrt(accuracy * (1 - accuracy) / len(tested)))

    def _floors(self, count: int, labelled: bool) -> Values:
        """Return what real images get in the fakes' place; kept, since they stay the same."""
        about = self.scorer.about
        mark = [VERSION, about.hash, self.reals.source.fingerprint, about.shape, self.seed,
                len(self.view), count, labelled, dataclasses.astuple(PUPIL)]  # fmt: skip
        name = f"floors-{hashlib.sha256(json.dumps(mark).encode()).hexdigest()[:20]}.json"
        content, _ = kept(name, lambda: json.dumps(self._measured_floors(count, labelled)).encode())
        floors: Values = json.loads(content)
        return floors

    def _measured_floors(self, count: int, labelled: bool) -> Values:
        images, labels = self.reals.held_out[:count], self.reals.held_out_labels
        asked = labels[:count] if labelled and labels is not None else None
        other = self._seen(self.scorer.resize(images), asked)
        floors, _ = measured(self.view, other, self.truth, self._subsets)
        if labelled and self.truth.shares.size:
            source, places = self.reals.source, self.reals.reference
            assert source.labels is not None
            real = self.scorer.resize(source.images[places])
            floors["cas"], _ = self._cas(real, source.labels[places])
        return floors

    def _fewer(self, fakes: int) -> tuple[str, ...]:
        held_out = len(self.reals.held_out)
        if held_out >= fakes:
            return ()
        return (
            f"There are only {held_out:,} other real images for the floors; as many as these "
            f"{fakes:,} would get better ones, above all of recall, coverage and Fréchet distance.",
        )

    def _classes(self, fake: FeatureSet) -> dict[str, tuple[float, float]]:
        if fake.look.labels is None:
            return {}
        shares = class_metrics.shares(fake.look.labels, len(self.truth.shares))
        pairs = zip(shares.tolist(), self.truth.shares.tolist(), strict=True)
        return dict(zip(self.reals.source.classes, pairs, strict=True))

    def passport(self, fakes: int, shape: tuple[int, ...]) -> Passport:
        """Say what the scores of `fakes` images (H, W, C) depend on."""
        about, reals = self.scorer.about, self.reals
        here, there = "x".join(map(str, shape)), "x".join(map(str, about.shape))
        held_out = min(len(reals.held_out), fakes)
        sizes = intervals.size(len(self.view)), intervals.size(fakes)
        return Passport(
            scorer=f"{about.kind} {about.version}.{VERSION}",
            scorer_hash=about.hash,
            scorer_accuracy=about.accuracy,
            data=reals.source.name,
            fingerprint=reals.source.fingerprint,
            reference=f"training images that the scorer has not seen ({reals.unseen:,})",
            reals=len(self.view),
            fakes=fakes,
            floor=f"{held_out:,} {reals.held_out_are}",
            resize=f"{here} to {there}, rule {RULE}" if here != there else f"{here}, as it is",
            seed=self.seed,
            interval=f"95 %: {intervals.SUBSAMPLES} subsamples of {sizes[0]:,} reals and "
            f"{sizes[1]:,} fakes, without repeats",
            cas=f"width {PUPIL.width}, {PUPIL.shown:,} images shown at most",
        )


def judge(
    source: Source,
    test: Source | None,
    make: scorer.Maker,
    *,
    number: int | None = None,
    limit: int = COUNT,
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluator:
    """Make a judge of a source's images: train or load the scorer, look at the reference.

    `test` are its test images, if any. `number` is how many reals are compared with and held out;
    None: as many of both, at most `limit`.
    """
    reals = ReferenceSplit.of(source, test, number, limit)
    eyes, notes = make(source, progress)
    labels = None if source.labels is None else source.labels[reals.reference]
    seen = view(eyes, eyes.resize(source.images[reals.reference]), labels, progress)
    shares = np.empty(0)
    if eyes.about.classes and source.labels is not None:
        shares = class_metrics.shares(source.labels, len(source.classes))
    truth = ClassStatistics(shares, len(source.images))
    return Evaluator(eyes, reals, seen, truth, seed, notes, progress)


def view(eyes: Scorer, fitted: Images, labels: Labels | None, progress: Progress) -> FeatureSet:
    """Look at images that have the scorer's size."""
    rows = np.ascontiguousarray(fitted).reshape(len(fitted), -1)
    known: dict[bytes, int] = {}
    marks = [known.setdefault(row.tobytes(), len(known)) for row in rows]
    look = eyes.look(fitted, progress)
    return FeatureSet(look, labels, sliced.projected(rows), np.array(marks, np.int64))


def _whole(reals: int, fakes: int) -> list[tuple[Labels, Labels]]:
    """Take all of a subsample for its kernel distance: it is unbiased at any size."""
    return [(np.arange(reals), np.arange(fakes))]


def _score(name: str, value: float, error: float, floor: float, spread: float | None) -> Score:
    margin, (least, most) = intervals.STUDENT * error, MEASURES[name].bounds
    return Score(value, max(least, value - margin), min(most, value + margin), floor, spread)


def _renamed(progress: Progress, name: str) -> Progress:
    return functools.partial(_call, progress, name)


def _call(progress: Callable, name: str, done: int, total: int, what: str) -> None:
    progress(done, total, f"training a pupil on fakes ({name})")
