"""Projection: the latent (and label) whose image is nearest to a picture.

Starts are the nearest of random latents. From each, Levenberg-Marquardt (Marquardt 1963) minimises
the mean squared difference of pixels plus a prior times |w|² / Z, w being the latent as normal
numbers: that keeps latents where training had them. The prior is strong in the first steps, which
lead away from local minima (MNIST: 20 of 20 own samples found, 17 with the weak one), and then weak
enough to leave an own sample's latent where it is; and no latent gets a norm that one in 1,000
random ones exceeds. The Jacobian is by forward differences, Z images in one batch, so every engine
computes the same way without a gradient. Ten such steps find an own sample to a hundredth of a
level (cat faces of 64x64), where 250 of Adam's stopped at 2.6 levels of 255 and took twice the
time.

The pixels of a picture that the generator cannot make are nearest to those of a blurred image. So
some last steps compare features too: those of D's last layer (AnoGAN's discrimination loss, Schlegl
et al. 2017, eq. 4), which see eyes and stripes where pixels see a mean. They cost two
fifths of the time; a picture scorer's cost more and made less of a difference to be seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.data import Progress, silent
from ganbaru.errors import InputError
from ganbaru.latents.layer_features import Features
from ganbaru.sampling import image_io, latent_spaces
from ganbaru.sampling.generators import Generator
from ganbaru.sampling.labels import Inputs

POOL = 512  # random latents among which starts are sought
STARTS = 6  # of each picture; MNIST: 98 % of own samples found, 95.5 % from 3
SCHEDULE = ((5e-3, 4), (5e-4, 3))  # priors, and the most steps with each from a start
MORE, FINAL = 12, 1e-6  # steps from the best one at most, until one helps by less than this share
SCALE = 4  # pixels that are averaged where starts are compared: details of random images mislead
DIFFERENCE = 3e-3  # of the Jacobian; smaller ones drown in float32's rounding
DAMPING = np.array([10.0, 1.0, 0.1])  # tried in each step, times the last one that helped
BATCH = 64  # images at once, always: some engines compile for each number
JACOBIANS = 8_000_000  # numbers of pictures searched at once: 64 MB
SOLVED = 2.5e-4  # a mean squared difference of 2 levels, below which no other start is tried
FEATURED = 8  # steps with features, from the best one by pixels

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Projection:
    """The images nearest to pictures, in their order.

    `images` (N, H, W, C) uint8, `latents` (N, Z), `labels` (N,), rows of
    attributes (N, A) or None, and `error` (N,): the mean
    absolute difference of pixels from the picture's, 1 being that of black from white. `starts`
    (N, Z) are the latents that the search began with.
    """

    images: image_io.Images
    latents: NDArray[np.float32]
    labels: Inputs | None
    error: Array
    starts: NDArray[np.float32]


class _Search:
    """The search for pictures' latents: one point for each of P targets, all in the same batches.

    `w` (P, Z) are latents as normal numbers, `residuals` (P, pixels) the differences of their
    images from the targets, `damping` (P,) what led there.
    """

    def __init__(
        self,
        generator: Generator,
        targets: Array,
        w: Array,
        labels: Inputs | None,
        enough: Callable[[], bool],
        features: Features | None = None,
    ) -> None:
        self.enough, self.features = enough, features
        self.generator, self.targets, self.w, self.labels = generator, targets, w, labels
        self.space = latent_spaces.space(generator.distribution)
        self.damping = np.full(len(w), 1e-3)
        every = np.arange(len(w))
        if features:  # they count as much as the pixels, as these are at the start
            self.wanted, self.weights = features(targets, labels), np.ones((len(w), 1))
            squares, size = np.square(self._residuals(w, every)), targets[0].size
            pixels, found = (part.sum(1) for part in np.split(squares, [size], axis=1))
            self.weights = np.sqrt(pixels / np.maximum(found, 1e-30))[:, None]
        self.residuals = self._residuals(w, every)

    def _residuals(self, w: Array, of: NDArray[np.int64]) -> Array:
        """Return the differences (M, D) of images of normal numbers from the targets `of`.

        Those of the pixels, and of the features, if there are any, by their weights.
        """
        latents = self.space.back(w)  # unrounded, which engines in float64 take as they are
        labels = None if self.labels is None else self.labels[of]
        images = _floats(self.generator, latents, labels)
        found = (images - self.targets[of]).reshape(len(w), -1)
        if not self.features:
            return found
        apart = self.weights[of] * (self.features(images, labels) - self.wanted[of])
        return np.concatenate([found, apart], axis=1)

    def loss(self, prior: float) -> Array:
        """Return what is minimised, (P,)."""
        return _loss(self.residuals, self.w, prior)

    def step(self, of: NDArray[np.int64], prior: float) -> None:
        """Move the points `of` where that makes their loss smaller."""
        w, residuals, size = self.w[of], self.residuals[of], self.w.shape[1]
        moved = self._residuals(
            (w[:, None] + DIFFERENCE * np.eye(size)).reshape(-1, size), np.repeat(of, size)
        )
        jacobian = (moved.reshape(len(of), size, -1) - residuals[:, None]) / DIFFERENCE
        hessian = jacobian @ jacobian.transpose(0, 2, 1) / residuals.shape[1]
        hessian += prior / size * np.eye(size)
        slope = (jacobian @ residuals[:, :, None])[..., 0] / residuals.shape[1] + prior / size * w
        scale = (np.einsum("pzz->pz", hessian) + 1e-12)[:, :, None] * np.eye(size)
        left = np.arange(len(of))
        for factor in (1.0, 100.0, 1e4):
            tried = factor * self.damping[of[left], None] * DAMPING  # (L, 3)
            damped = hessian[left, None] + tried[:, :, None, None] * scale[left, None]
            moves = np.linalg.solve(damped, slope[left, None, :, None])[..., 0]
            others = _within((w[left, None] - moves).reshape(-1, size))
            found = self._residuals(others, np.repeat(of[left], len(DAMPING)))
            losses = _loss(found, others, prior).reshape(tried.shape)
            best = losses.argmin(axis=1)
            better = losses.min(axis=1) < _loss(residuals[left], w[left], prior)
            chosen, place = of[left[better]], (np.arange(len(left)) * len(DAMPING) + best)[better]
            self.w[chosen], self.residuals[chosen] = others[place], found[place]
            self.damping[chosen] = tried.ravel()[place]
            left = left[~better]
            if not len(left):
                return

    def descend(self, prior: float, steps: int, least: float = 1e-3) -> None:
        """Take steps with each point until one helps it by less than the share `least`."""
        of = np.arange(len(self.w))
        for _ in range(steps):
            if self.enough():
                return
            before = self.loss(prior)[of]
            self.step(of, prior)
            of = of[self.loss(prior)[of] <= (1 - least) * before]
            if not len(of):
                return


def _loss(residuals: Array, w: Array, prior: float) -> Array:
    loss: Array = np.mean(residuals**2, axis=1) + prior * np.mean(w**2, axis=1)
    return loss


def project(
    generator: Generator,
    pictures: image_io.Images,
    labels: Sequence[int] | NDArray[Any] | None = None,
    progress: Progress = silent,
    *,
    starts: int = STARTS,
    enough: Callable[[], bool] = lambda: False,
    features: Features | None = None,
) -> Projection:
    """Return the images of a generator that are nearest to pictures (N, H, W, C), uint8.

    `labels` (N,) are theirs; None: each picture gets that of its nearest start. `starts` is how
    many are tried; once `enough` returns true, before a step, the best so far is the result.
    With `features` the last steps bring these nearer too, where no image is found whose pixels are
    the picture's.
    Raises InputError for pictures of another shape than the generator's images.
    """
    first = generator.seeds(POOL)
    latents, of = generator.latents(first), generator.labels(first)
    pool = _floats(generator, latents, of)
    shape = (pool.shape[2], pool.shape[3], pool.shape[1])
    if pictures.shape[1:] != shape:
        raise InputError(
            f"The generator's images are {shape} and the pictures {pictures.shape[1:]} (height, "
            f"width, channels): convert them to its own."
        )
    given = None if of is None or labels is None else np.asarray(labels, of.dtype)
    small, pixels, found = _reduced(pool), pool[0].size, []
    chunk = max(1, JACOBIANS // (generator.latent * pixels))
    for start in range(0, len(pictures), chunk):
        part = slice(start, start + chunk)
        targets = pictures[part].transpose(0, 3, 1, 2) / 127.5 - 1
        near = ((small[None] - _reduced(targets)[:, None]) ** 2).mean(2)
        if given is not None and given.ndim == 1:  # a pool has images of every class
            near = np.where(of == given[part, None], near, np.inf)
        nearest = np.argsort(near, axis=1, kind="stable")[:, :starts]
        rows = None if given is None else given[part]
        found.append(_projected(generator, targets, nearest, latents, of, rows, enough, features))
        progress(min(start + chunk, len(pictures)), len(pictures), "projecting")
    w, begun = (np.concatenate([each[i] for each in found]) for i in (0, 1))
    made = latent_spaces.space(generator.distribution).from_normal(w)
    chosen = of[begun] if given is None and of is not None else given
    images = image_io.to_bytes(_floats(generator, made, chosen))
    error = np.abs(images.astype(np.float64) - pictures).mean((1, 2, 3)) / 255
    return Projection(images, made, chosen, error, latents[begun])


def _projected(
    generator: Generator,
    targets: Array,
    nearest: NDArray[np.int64],
    latents: NDArray[np.float32],
    labels: Inputs | None,
    given: Inputs | None,
    enough: Callable[[], bool],
    features: Features | None,
) -> tuple[Array, NDArray[np.int64]]:
    """Return normal numbers (P, Z) for targets (P, C, H, W), and the starts (P,) that led there.

    `nearest` (P, S) are starts among the `latents`, which have `labels`; `given` are the targets'.
    """

    def label(of: NDArray[np.int64], starts: NDArray[np.int64]) -> Inputs | None:
        return given[of] if given is not None else None if labels is None else labels[starts]

    pool = latent_spaces.space(generator.distribution).to_normal(latents)
    prior, _ = SCHEDULE[-1]
    best, w, begun = np.full(len(targets), np.inf), pool[nearest[:, 0]], nearest[:, 0].copy()
    left = np.arange(len(targets))
    for starts in nearest.T:
        chosen = starts[left]
        search = _Search(generator, targets[left], pool[chosen], label(left, chosen), enough)
        for each, steps in SCHEDULE:
            search.descend(each, steps)
        loss = search.loss(prior)
        better = loss < best[left]
        places = left[better]
        best[places], w[places], begun[places] = loss[better], search.w[better], chosen[better]
        left = left[np.mean(search.residuals**2, axis=1) >= SOLVED]
        if not len(left) or enough():
            break
    search = _Search(generator, targets, w, label(np.arange(len(targets)), begun), enough)
    search.descend(prior, MORE, FINAL)
    left = np.flatnonzero(np.mean(search.residuals**2, axis=1) >= SOLVED)
    if features and len(left):
        w, begins = search.w, begun[left]
        last = _Search(generator, targets[left], w[left], label(left, begins), enough, features)
        last.descend(prior, FEATURED)
        w[left] = last.w
    return search.w, begun


def _within(w: Array) -> Array:
    """Return normal numbers (N, Z), those with a norm that one in 1,000 exceeds scaled to it.

    The quantile of chi squared is by Wilson and Hilferty (1931).
    """
    part = 2 / (9 * w.shape[1])
    most = math.sqrt(w.shape[1] * (1 - part + 3.09 * math.sqrt(part)) ** 3)
    norms = np.linalg.norm(w, axis=1, keepdims=True)
    return w * np.minimum(1, most / np.maximum(norms, 1e-12))


def _reduced(images: NDArray[np.floating]) -> Array:
    """Return the means (N, D) of squares of pixels of images (N, C, H, W)."""
    n, channels, height, width = images.shape
    cut = images[:, :, : height - height % SCALE, : width - width % SCALE].astype(np.float64)
    blocks = cut.reshape(n, channels, height // SCALE, SCALE, width // SCALE, SCALE)
    reduced: Array = blocks.mean((3, 5)).reshape(n, -1)
    return reduced


def _floats(generator: Generator, latents: NDArray[np.floating], labels: Inputs | None) -> Array:
    """Return images (N, C, H, W) in batches of one size, the last one filled up."""
    made = []
    for start in range(0, len(latents), BATCH):
        rows = np.minimum(np.arange(start, start + BATCH), len(latents) - 1)
        made.append(generator.floats(latents[rows], None if labels is None else labels[rows]))
    return np.concatenate(made)[: len(latents)].astype(np.float64)
