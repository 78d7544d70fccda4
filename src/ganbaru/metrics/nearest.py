"""The nearest training images of an image, whatever its brightness, contrast or shift by a pixel.

Images are looked at with their mean taken away and their length made 1, at 32 pixels a side at
most. The distance of two is the least over nine places of one: as it lies, and shifted by a pixel
up, down, to the sides and across. It runs from 0 to 2, and is 0 for a copy however bright.

Two stages keep it quick: 50 candidates by images of 8x8 (a shift is a small thing there, and they
are shifted too), then the distances proper. Of 300 digits of MNIST shifted by a pixel across, 8x8
without shifts had the original among its candidates for 79 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbaru.data import Progress

FINE, COARSE = 32, 8  # sides, at most, of what is compared and of what is searched
CANDIDATES = 50
SHIFTS = tuple((down, right) for down in (0, -1, 1) for right in (0, -1, 1))
BATCH = 100  # images searched at once: with 60,000 to search in, 48 MB of products
BLOCK = 1024

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Nearest:
    """Distances (N, K) of images to the training images at `places` (N, K), nearest first."""

    distances: Floats
    places: Places


class Index:
    """Some training images to search in: those at `places`. It holds 256 C bytes for each."""

    def __init__(self, images: Images, places: Places) -> None:
        self.images, self.places = images, places
        parts = (images[places[i : i + BLOCK]] for i in range(0, len(places), BLOCK))
        self.coarse = np.concatenate([plain(pooled(fine(part), COARSE)) for part in parts])

    def nearest(
        self, images: Images, progress: Progress, what: str, own: Places | None = None
    ) -> Nearest:
        """Find the nearest of images (N, H, W, C), `own` being their places in the index, if any.

        An image is not its own neighbour.
        """
        found: list[tuple[Floats, Places]] = []
        for start in range(0, len(images), BATCH):
            part = slice(start, start + BATCH)
            at = shifted(fine(images[part]))  # (9, n, h, w, C)
            candidates = self._candidates(at, None if own is None else own[part])
            found += [
                self._compared(*one) for one in zip(at.swapaxes(0, 1), candidates, strict=True)
            ]
            progress(min(start + BATCH, len(images)), len(images), what)
        distances, places = zip(*found, strict=True)
        return Nearest(np.stack(distances), np.stack(places))

    def _candidates(self, at: Floats, own: Places | None) -> Places:
        products = [plain(pooled(one, COARSE)) @ self.coarse.T for one in at]
        likeness = np.maximum.reduce(products)
        if own is not None:
            likeness[np.arange(len(own)), own] = -np.inf
        # With its own out of the way there is one less to find.
        count = min(CANDIDATES, len(self.places) - (own is not None))
        found: Places = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
        return found

    def _compared(self, at: Floats, candidates: Places) -> tuple[Floats, Places]:
        places = self.places[candidates]
        likeness = (plain(fine(self.images[places])) @ plain(at).T).max(axis=1)
        order = np.argsort(-likeness, kind="stable")
        return _distance(likeness[order]), places[order]


def _distance(likeness: Floats) -> Floats:
    """Turn products of images of length 1 into distances."""
    distance: Floats = np.sqrt(np.maximum(0, 2 - 2 * likeness))
    return distance


def fine(images: Images) -> Floats:
    """Return images (N, H, W, C) at the size that they are compared at."""
    return pooled(images.astype(np.float32), FINE)


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
    """Return images (N, H, W, C) at their nine places (9, N, H, W, C), the borders repeated."""
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    return np.stack([
        padded[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width]
        for down, right in SHIFTS
    ])  # fmt: skip


def plain(images: Floats) -> Floats:
    """Return images as rows (N, P) of mean 0 and length 1; an image of one colour is all 0."""
    rows = images.reshape(len(images), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, 1e-3)


# --- duplicates -------------------------------------------------------------------------------

SAME = 0.05  # a distance below it: the same picture, saved anew


def duplicates(index: Index, progress: Progress) -> list[Places]:
    """Return groups of training images that are the same picture, the largest group first.

    Each image is held against the one before it that is most like it at 8x8, so that a picture that
    is there n times costs n comparisons. Takes time as N² (half a minute for 60,000 at 28x28).
    """
    first = np.arange(len(index.places))
    for i, twin in _twins(index, progress):
        first[i] = first[twin]
    groups: dict[int, list[int]] = {}
    for i, root in enumerate(first.tolist()):
        groups.setdefault(root, []).append(i)
    several = [index.places[group] for group in groups.values() if len(group) > 1]
    return sorted(several, key=len, reverse=True)


def _twins(index: Index, progress: Progress) -> Iterator[tuple[int, int]]:
    """Yield each image that is the same as an earlier one, with that one, in order."""
    coarse, count, close = index.coarse, len(index.coarse), 1 - SAME**2 / 2
    for start in range(0, count, BATCH):
        stop = min(start + BATCH, count)
        likeness = coarse[start:stop] @ coarse[:stop].T
        likeness[:, start:] = np.tril(likeness[:, start:], -1)  # only those before it
        nearest = likeness.argmax(axis=1)
        for i in np.flatnonzero(likeness[np.arange(stop - start), nearest] > close):
            pair = index.places[[start + i, nearest[i]]]
            one, other = plain(fine(index.images[pair]))
            if one @ other > close:
                yield start + int(i), int(nearest[i])
        progress(stop, count, "looking for duplicates")
