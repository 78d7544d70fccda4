"""Nearest training images, regardless of brightness, contrast and shifts by a pixel.

Images are compared at 32 pixels a side at most, their mean subtracted and their norm 1. The
distance of two is the smallest over nine shifts of one: by a pixel or none in each direction. It
ranges from 0 to 2, and is 0 for a copy of any brightness.

The search has two stages: 50 candidates by images of 8x8 (where a shift matters little; they are
shifted too), then exact distances. Of 300 digits of MNIST shifted by a pixel diagonally, 8x8
without shifts had the original among its candidates for 79 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru.data import Progress, alpha

FINE, COARSE = 32, 8  # largest sides of the images compared, and of those searched
CANDIDATES = 50
SHIFTS = tuple((down, right) for down in (0, -1, 1) for right in (0, -1, 1))
BATCH = 100  # images searched at once: in 60,000 images, 48 MB of products
BLOCK = 1024

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Nearest:
    """Distances (N, K) of images to the training images at indices (N, K), nearest first."""

    distances: Floats
    indices: Indices


class Index:
    """A search index of the images at `indices`. It takes 256 C bytes for each."""

    def __init__(self, images: Images, indices: Indices) -> None:
        self.images, self.indices = images, indices
        parts = (images[indices[i : i + BLOCK]] for i in range(0, len(indices), BLOCK))
        self.coarse = np.concatenate([normalized(pooled(fine(part), COARSE)) for part in parts])

    def nearest(
        self, images: Images, progress: Progress, what: str, own: Indices | None = None
    ) -> Nearest:
        """Return the nearest of images (N, H, W, C); `own` are their positions in the index.

        An image is not its own neighbour.
        """
        found: list[tuple[Floats, Indices]] = []
        for start in range(0, len(images), BATCH):
            part = slice(start, start + BATCH)
            shifts = shifted(fine(images[part]))  # (9, n, h, w, C)
            candidates = self._candidates(shifts, None if own is None else own[part])
            pairs = zip(shifts.swapaxes(0, 1), candidates, strict=True)
            found += [self._ranked(*pair) for pair in pairs]
            progress(min(start + BATCH, len(images)), len(images), what)
        distances, indices = zip(*found, strict=True)
        return Nearest(np.stack(distances), np.stack(indices))

    def _candidates(self, shifts: Floats, own: Indices | None) -> Indices:
        products = [normalized(pooled(one, COARSE)) @ self.coarse.T for one in shifts]
        likeness = np.maximum.reduce(products)
        if own is not None:
            likeness[np.arange(len(own)), own] = -np.inf
        count = min(CANDIDATES, len(self.indices) - (own is not None))
        found: Indices = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
        return found

    def _ranked(self, shifts: Floats, candidates: Indices) -> tuple[Floats, Indices]:
        indices = self.indices[candidates]
        likeness = (normalized(fine(self.images[indices])) @ normalized(shifts).T).max(axis=1)
        order = np.argsort(-likeness, kind="stable")
        distances: Floats = np.sqrt(np.maximum(0, 2 - 2 * likeness[order]))  # of norms of 1
        return distances, indices[order]


def fine(images: Images) -> Floats:
    """Return images (N, H, W, C) at the size of comparison, colours multiplied by alpha."""
    return pooled(alpha.premultiplied(images).astype(np.float32), FINE)


def pooled(images: Floats, most: int) -> Floats:
    """Return the means of images (N, H, W, C) over a grid of at most `most` cells a side."""
    for axis in (1, 2):
        length = images.shape[axis]
        if length > most:
            edges = np.arange(most) * length // most
            widths = np.diff(np.append(edges, length)).astype(np.float32)
            shape = [1, 1, 1, 1]
            shape[axis] = most
            images = np.add.reduceat(images, edges, axis=axis)
            images /= widths.reshape(shape)
    return images


def shifted(images: Floats) -> Floats:
    """Return images (N, H, W, C) at nine shifts (9, N, H, W, C), the borders repeated."""
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    views = (
        padded[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width]
        for down, right in SHIFTS
    )
    return np.stack([*views])


def normalized(images: Floats) -> Floats:
    """Return images as rows (N, P) of mean 0 and norm 1; an image of one colour is all 0."""
    rows = images.reshape(len(images), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(norms, 1e-3)


# --- near-equal images ------------------------------------------------------------------------

NEAR = 0.5  # of the distance to the training set: images nearer each other are not independent


def thinned(images: Images, distances: Floats, progress: Progress) -> Indices:
    """Return the indices of images (N, H, W, C) of which no two are near-equal, the first of each.

    Two images are near-equal if they are nearer each other than 0.05, or than half of the distance
    that each of them has to its nearest training image (N,): then both are near it or neither is.
    Takes time as N² (2 s for 1,000 images of 28x28).
    """
    rows = normalized(fine(images))
    close = 1 - np.maximum(SAME, NEAR * distances) ** 2 / 2  # as likeness
    kept = np.zeros(len(images), bool)
    for start in range(0, len(images), BATCH):
        stop = min(start + BATCH, len(images))
        shifts = normalized(shifted(fine(images[start:stop])).reshape(-1, *rows.shape[1:]))
        likeness = (shifts @ rows[:stop].T).reshape(len(SHIFTS), stop - start, stop).max(axis=0)
        limits = np.maximum(close[start:stop, None], close[None, :stop])
        near = likeness > limits
        for i in range(start, stop):
            kept[i] = not (near[i - start, :i] & kept[:i]).any()
        progress(stop, len(images), "grouping near-equal images")
    return np.flatnonzero(kept)


# --- duplicates -------------------------------------------------------------------------------

SAME = 0.05  # below this distance two images are duplicates, saved twice


def duplicates(index: Index, progress: Progress) -> list[Indices]:
    """Return groups of duplicate training images, the largest group first.

    Each image is compared with the earlier one that is most like it at 8x8, so that n duplicates
    cost n comparisons. Takes time as N² (half a minute for 60,000 at 28x28).
    """
    first = np.arange(len(index.indices))
    for i, twin in _twins(index, progress):
        first[i] = first[twin]
    groups: dict[int, list[int]] = {}
    for i, root in enumerate(first.tolist()):
        groups.setdefault(root, []).append(i)
    several = [index.indices[group] for group in groups.values() if len(group) > 1]
    return sorted(several, key=len, reverse=True)


def _twins(index: Index, progress: Progress) -> Iterator[tuple[int, int]]:
    """Yield the position of each duplicate of an earlier image, with that of the earlier one."""
    coarse, count, close = index.coarse, len(index.coarse), 1 - SAME**2 / 2
    for start in range(0, count, BATCH):
        stop = min(start + BATCH, count)
        likeness = coarse[start:stop] @ coarse[:stop].T
        likeness[:, start:] = np.tril(likeness[:, start:], -1)  # only earlier ones
        nearest = likeness.argmax(axis=1)
        for i in np.flatnonzero(likeness[np.arange(stop - start), nearest] > close):
            pair = index.indices[[start + i, nearest[i]]]
            one, other = normalized(fine(index.images[pair]))
            if one @ other > close:
                yield start + int(i), int(nearest[i])
        progress(stop, count, "looking for duplicates")
