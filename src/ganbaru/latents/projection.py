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
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.data import Progress, silent
from ganbaru.errors import InputError
from ganbaru.sampling import image_io, latent_spaces
from ganbaru.sampling.generators import Generator

POOL = 512  # random latents among which starts are sought
STARTS = 3  # of each picture
SCHEDULE = ((5e-3, 4), (5e-4, 3))  # priors, and the most steps with each from a start
MORE = 8  # steps from the best one at most
SCALE = 4  # pixels that are averaged where starts are compared: details of random images mislead
DIFFERENCE = 3e-3  # of the Jacobian; smaller ones drown in float32's rounding
DAMPING = (10.0, 1.0, 0.1)  # tried in each step, times the last one that helped
BATCH = 64  # images at once, always: some engines compile for each number
SOLVED = 2.5e-4  # a mean squared difference of 2 levels, below which no other start is tried

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Projection:
    """The images nearest to pictures, in their order.

    `images` (N, H, W, C) uint8, `latents` (N, Z), `labels` (N,) or None, and `error` (N,): the mean
    absolute difference of pixels from the picture's, 1 being that of black from white. `starts`
    (N, Z) are the latents that the search began with.
    """

    images: image_io.Images
    latents: NDArray[np.float32]
    labels: NDArray[Any] | None
    error: Array
    starts: NDArray[np.float32]


@dataclass(frozen=True)
class _Point:
    """A latent as normal numbers, the residual of its image, and the damping that led there."""

    w: Array
    residual: Array
    damping: float = 1e-3

    def loss(self, prior: float) -> float:
        """Return what is minimised."""
        return float(np.mean(self.residual**2) + prior * np.mean(self.w**2))


class _Search:
    """The search for one picture (H, W, C) with a generator."""

    def __init__(self, generator: Generator, picture: image_io.Images) -> None:
        self.generator = generator
        self.space = latent_spaces.space(generator.distribution)
        self.target = picture.transpose(2, 0, 1).ravel() / 127.5 - 1

    def residuals(self, w: Array, label: Any) -> Array:
        """Return the differences (N, pixels) of images of normal numbers (N, Z) from the target."""
        latents = self.space.from_normal(w).astype(np.float32)
        labels = None if label is None else np.repeat(np.asarray(label)[None], len(w), axis=0)
        return _floats(self.generator, latents, labels).reshape(len(w), -1) - self.target

    def start(self, w: Array, label: Any) -> _Point:
        """Return the point at normal numbers (Z,)."""
        return _Point(w, self.residuals(w[None], label)[0])

    def step(self, point: _Point, label: Any, prior: float) -> _Point:
        """Return the point after a step, itself if none makes the loss smaller."""
        w, residual = point.w, point.residual
        moved = self.residuals(w + DIFFERENCE * np.eye(len(w)), label)
        jacobian = (moved - residual) / DIFFERENCE  # (Z, pixels)
        hessian = jacobian @ jacobian.T / residual.size + prior / len(w) * np.eye(len(w))
        slope = jacobian @ residual / residual.size + prior / len(w) * w
        scale = np.diag(np.diag(hessian) + 1e-12)
        for base in (point.damping, 100 * point.damping, 1e4 * point.damping):
            tried = [base * each for each in DAMPING]
            moves = [np.linalg.solve(hessian + each * scale, slope) for each in tried]
            others = _within(w - np.stack(moves))
            found = map(_Point, others, self.residuals(others, label), tried)
            best = min(found, key=lambda each: each.loss(prior))
            if best.loss(prior) < point.loss(prior):
                return best
        return point

    def descend(self, point: _Point, label: Any, prior: float, steps: int) -> _Point:
        """Take steps until none helps by a thousandth."""
        for _ in range(steps):
            before, point = point, self.step(point, label, prior)
            if point.loss(prior) > 0.999 * before.loss(prior):
                break
        return point


def project(
    generator: Generator,
    pictures: image_io.Images,
    labels: Sequence[int] | NDArray[Any] | None = None,
    progress: Progress = silent,
) -> Projection:
    """Return the images of a generator that are nearest to pictures (N, H, W, C), uint8.

    `labels` (N,) are theirs; None: each picture gets that of its nearest start. Raises InputError
    for pictures of another shape than the generator's images.
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
    small, rows = _reduced(pool), []
    for i, picture in enumerate(pictures):
        search = _Search(generator, picture)
        near = ((small - _reduced(search.target.reshape(1, *pool.shape[1:]))) ** 2).mean(1)
        own = of
        if of is not None and labels is not None and of.ndim == 2:  # rows of attributes
            own = np.repeat(np.asarray(labels[i])[None], len(of), axis=0)
        elif of is not None and labels is not None:
            near = np.where(of == labels[i], near, np.inf)  # a pool has images of every label
        rows.append(_projected(search, latents, own, near))
        progress(i + 1, len(pictures), "projecting")
    found, starts = np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows])
    chosen = None if of is None else np.array([row[2] for row in rows], of.dtype)
    images = image_io.to_bytes(_floats(generator, found, chosen))
    error = np.abs(images.astype(np.float64) - pictures).mean((1, 2, 3)) / 255
    return Projection(images, found, chosen, error, starts)


def _projected(
    search: _Search, latents: NDArray[np.float32], labels: NDArray[Any] | None, near: Array
) -> tuple[NDArray[np.float32], NDArray[np.float32], Any]:
    """Return a latent (Z,), the start that led to it, and its label."""
    found: list[tuple[_Point, int, Any]] = []
    prior, _ = SCHEDULE[-1]
    for start in np.argsort(near, kind="stable")[:STARTS]:
        label = None if labels is None else labels[start]
        point = search.start(search.space.to_normal(np.float64(latents[start])), label)
        for each, steps in SCHEDULE:
            point = search.descend(point, label, each, steps)
        found.append((point, int(start), label))
        if np.mean(point.residual**2) < SOLVED:
            break
    point, start, label = min(found, key=lambda each: each[0].loss(prior))
    point = search.descend(point, label, prior, MORE)
    return search.space.from_normal(point.w).astype(np.float32), latents[start], label


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


def _floats(
    generator: Generator, latents: NDArray[np.float32], labels: NDArray[Any] | None
) -> Array:
    """Return images (N, C, H, W) in batches of one size, the last one filled up."""
    made = []
    for start in range(0, len(latents), BATCH):
        rows = np.minimum(np.arange(start, start + BATCH), len(latents) - 1)
        made.append(generator.floats(latents[rows], None if labels is None else labels[rows]))
    return np.concatenate(made)[: len(latents)].astype(np.float64)
