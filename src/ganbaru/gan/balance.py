"""Balanced classes: the order of real images in which every class comes equally often."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ganbaru import randomness
from ganbaru.data import Source
from ganbaru.errors import InputError

Places = NDArray[np.int64]


class BalancedOrder:
    """The order in which one player goes through images, by class, in batches, without end.

    Draws are rounds of all classes that occur among `labels`, each round in a random order. Round r
    shows image r of a class, in an order that is drawn again after each pass through the class, or
    a random one with `replacement`. Every draw follows from its number alone.
    """

    def __init__(
        self, seed: int, purpose: str, labels: Places, batch: int, replacement: bool = False
    ) -> None:
        self.seed, self.purpose, self.batch = seed, purpose, batch
        self.replacement = replacement
        self.classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        self._orders: dict[int, tuple[int, Places]] = {}  # of each class and of a round: the last

    def indices(self, turn: int) -> Places:
        """Return the places of the images of batch number `turn`, from 0."""
        draws = np.arange(turn * self.batch, (turn + 1) * self.batch)
        return np.array([self._place(*divmod(int(draw), len(self.classes))) for draw in draws])

    def _place(self, number: int, position: int) -> int:
        label = int(self._order(-1, number, len(self.classes))[position])
        places = self.classes[label]
        if self.replacement:
            purpose = f"{self.purpose} in class {label}"
            drawn = randomness.integers(self.seed, purpose, number, 1, len(places))[0]
        else:
            passes, at = divmod(number, len(places))
            drawn = self._order(label, passes, len(places))[at]
        return int(places[drawn])

    def _order(self, label: int, number: int, length: int) -> Places:
        known, order = self._orders.get(label, (-1, np.empty(0, np.int64)))
        if known != number:
            purpose = f"{self.purpose} of class {label}" if label >= 0 else f"{self.purpose} round"
            order = randomness.permutation(self.seed, purpose, number, length)
            self._orders[label] = number, order
        return order


def note(source: Source) -> str:
    """Return a sentence on what --balance does to a set; raises InputError without two classes."""
    counts = [] if source.labels is None else np.bincount(source.labels).tolist()
    named = sorted((n, name) for n, name in zip(counts, source.classes, strict=False) if n)
    if len(named) < 2:
        without = "attributes, which are no classes" if source.attributes else "no labels"
        found = f"the single class {named[0][1]!r}" if named else without
        raise InputError(
            f"--balance draws classes evenly, and {source.name} has {found}: give labels "
            f"(--label-file, or a folder for each class), or leave --balance out."
        )
    (few, rare), (many, common) = named[0], named[-1]
    often = f"an image of {rare!r} ({few:,}) {many / few:,.3g} times as often as one of {common!r}"
    alone = f" G will repeat the only image of {rare!r}." * (few == 1)
    return f"--balance: D sees {len(named)} classes evenly, {often} ({many:,}).{alone}"
