"""Images that are decoded as they are read, from shards, for sets that are never decoded to disk.

Only an index is in memory: 36 bytes an image. The order of an epoch is a function of the seed and
the epoch's number, so that a run resumes in the middle of one by the number of images seen.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness
from ganbaru.coerce import AUTO, range_text
from ganbaru.data.picture import Decoded, decode
from ganbaru.data.picture_file import UnreadableError
from ganbaru.data.shard_store import AT_ONCE, Store
from ganbaru.data.source import (
    Images,
    Labels,
    Original,
    Samples,
    Sizes,
    SizesError,
    Source,
    Target,
    fingerprint,
)
from ganbaru.data.survey import Survey
from ganbaru.data.values import described
from ganbaru.errors import InputError, RunError
from ganbaru.formatting import LOG

LOOKED_AT = 256  # pictures whose values are looked at before training
SUBSTITUTES = 100  # pictures tried in the place of one that cannot be decoded

Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Streamed(Mapping[str, Callable[[], bytes]]):
    """The pictures of a set of shards, by number: where each is, and its size."""

    store: Store
    shard: NDArray[np.int32]  # (n,), ascending
    offset: Places  # (n,) of the first byte
    length: Places  # (n,) in bytes
    sizes: Sizes
    colour: bool  # whether any is in colour by its header
    digest: str  # SHA-256 of all pictures

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.shard)

    def __iter__(self) -> Iterator[str]:
        """Yield the numbers of the pictures, as text."""
        return map(str, range(len(self)))

    def __getitem__(self, name: str) -> Callable[[], bytes]:
        """Return a function that reads the picture of a number."""
        return functools.partial(self.read, int(name))

    def read(self, place: int) -> bytes:
        """Return a picture's file; raises RunError if the shard is not what it was."""
        shard, length = int(self.shard[place]), int(self.length[place])
        data = self.store.read(shard, int(self.offset[place]), length)
        if len(data) < length:
            path = self.store.places[shard]
            raise RunError(f"{path} has become shorter. Put the whole file back and resume.")
        return data


class StreamedImages:
    """The images of a `Streamed` as a uint8 array (n, H, W, C) whose rows are decoded when read.

    A row whose picture cannot be decoded is the next one of its label, with one warning.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(
        self, files: Streamed, target: Target, channels: int, labels: Labels | None
    ) -> None:
        """Take the pictures at a target's size (None: they have one) and `channels`."""
        height, width = target.size or files.sizes[0].tolist()
        self.shape = (len(files), height, width, channels)
        self.nbytes = int(np.prod(self.shape))
        self._files, self._labels = files, labels
        self.mark = f"{files.digest}|{self.shape}|{target.fit}|{target.range}"
        self._target = replace(target, size=(height, width), channels=channels)
        self._broken: set[int] = set()
        # Of odd EXIF data; switching filters for each batch is not safe among threads.
        warnings.filterwarnings("ignore", module=r"PIL\.")

    def __len__(self) -> int:
        """Return the number of images."""
        return self.shape[0]

    def __array__(self, *_: Any, **__: Any) -> Images:
        """Refuse: nothing may decode the whole set at once."""
        raise RunError(
            f"{len(self):,} streamed images are needed in memory at once. Give their folder in "
            f"place of a pattern, so that they are decoded into the cache."
        )

    def __getitem__(self, chosen: Any) -> Images:
        """Return the images of an index, a slice, a mask or an array of places."""
        if isinstance(chosen, slice):
            places = np.arange(*chosen.indices(len(self)))
        else:
            places = np.asarray(chosen)
            places = np.flatnonzero(places) if places.dtype == bool else places
        flat = np.where(places < 0, places + len(self), places).reshape(-1)
        if flat.size and not 0 <= flat.min() <= flat.max() < len(self):
            raise IndexError(f"images {flat.min()} to {flat.max()} of {len(self)}")
        found = np.empty((len(flat), *self.shape[1:]), np.uint8)
        order = np.argsort(flat, kind="stable")  # by shard, so that one after the other is needed
        pixels = (_pool().map if len(flat) > 1 else map)(self._image, flat[order].tolist())
        for row, image in zip(order.tolist(), pixels, strict=True):
            found[row] = image
        return found.reshape(*places.shape, *self.shape[1:])

    def permutation(self, places: Places) -> Callable[[int, str, int, int], Places]:
        """Return `randomness.permutation` for these places, AT_ONCE shards at a time."""
        shards = self._files.shard[places]

        def permutation(seed: int, purpose: str, epoch: int, length: int) -> Places:
            order, sequence = shard_order(seed, purpose, epoch, shards)
            self._files.store.follow(sequence)
            return order

        return permutation

    def _image(self, place: int) -> Images:
        for other in self._from(place):
            try:
                return decode(self._files.read(other), self._target).pixels
            except UnreadableError as error:
                if other not in self._broken:
                    self._broken.add(other)
                    LOG.warning("Picture %d cannot be decoded (%s): left out.", other, error)
        raise RunError(f"Picture {place:,} and the next ones of its label cannot be decoded.")

    def _from(self, place: int) -> Iterator[int]:
        """Yield a place, and if that is not enough the next SUBSTITUTES of its label."""
        yield place
        same = None if self._labels is None else self._labels == self._labels[place]
        places = np.arange(len(self)) if same is None else np.flatnonzero(same)
        after = np.searchsorted(places, place) + 1
        yield from np.roll(places, -after)[:SUBSTITUTES].tolist()


def shard_order(
    seed: int, purpose: str, epoch: int, shards: NDArray[np.int32]
) -> tuple[Places, list[int]]:
    """Return an epoch's order of places, given the shard of each, and the order of the shards.

    Shards are permuted and taken AT_ONCE at a time; each is permuted within, and they take turns.
    So a rank that has every W-th image of a batch reads every W-th shard only, where W divides
    AT_ONCE and shards are equally long.
    """
    count = int(shards.max()) + 1
    sequence = randomness.permutation(seed, f"{purpose} of shards", epoch, count)
    slots = np.argsort(sequence)[shards]
    order = np.lexsort((randomness.words(seed, purpose, epoch, len(shards)), slots))
    sizes = np.bincount(slots, minlength=count)
    turns = np.arange(len(shards)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    slots = slots[order]
    return order[np.lexsort((slots, turns, slots // AT_ONCE))], sequence.tolist()


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(2, os.cpu_count() or 2), thread_name_prefix="decode")


def source(original: Original, samples: Samples, files: Streamed, target: Target) -> Source:
    """Return streamed pictures as a source; values are looked at in LOOKED_AT of them.

    Raises SizesError for sizes that differ without a target, and InputError for values without a
    range.
    """
    place = original.location
    if target.range == AUTO:
        raise InputError(
            f"--range auto needs all values of {place}, which is streamed: give --range LOW:HIGH."
        )
    if target.size is None and (files.sizes != files.sizes[0]).any():
        low, high = files.sizes.min(0), files.sizes.max(0)
        raise SizesError(
            f"{place} holds pictures from {low[1]}x{low[0]} to {high[1]}x{high[0]} (width x "
            f"height). Give the size to crop and resize them to, for example --image-size 64."
        )
    survey = Survey(target.interval)
    found = _looked_at(files, target)
    if not found:
        raise InputError(f"None of {LOOKED_AT} pictures of {place} can be decoded.")
    survey.add(each.facts for each in found)
    survey.check(place)
    colour = files.colour or any(each.pixels.shape[2] == 3 for each in found)
    groups = samples.labels
    if samples.attributes:  # images of equal rows
        groups = np.unique(samples.attributes.values, axis=0, return_inverse=True)[1].ravel()
    images = StreamedImages(files, target, target.channels or (3 if colour else 1), groups)
    how = (
        f"Streamed from {len(files.store.places):,} shards: pictures are decoded as they are read; "
        f"the values of {len(found):,} were looked at."
    )
    return Source(
        name=original.name,
        images=cast(Images, images),
        labels=samples.labels,
        classes=samples.classes,
        fingerprint=fingerprint(cast(Images, images), samples.labels, samples.attributes),
        notes=(*samples.notes, *survey.notes(), how),
        original_sizes=files.sizes,
        depth=described(survey.kinds),
        range=range_text(survey.extreme),
        black_white=range_text(survey.interval) if survey.interval else "",
        labels_from=samples.labels_from,
        attributes=samples.attributes,
        split=samples.split,
        left_out=samples.left_out,
        warnings=samples.warnings + survey.warnings(files.sizes, target),
    )


def _looked_at(files: Streamed, target: Target) -> Sequence[Decoded]:
    chosen = np.linspace(0, len(files) - 1, min(len(files), LOOKED_AT)).astype(int).tolist()

    def attempt(place: int) -> Decoded | None:
        try:
            return decode(files.read(place), target)
        except UnreadableError:  # which is reported where it is read
            return None

    return [each for each in _pool().map(attempt, chosen) if each]
