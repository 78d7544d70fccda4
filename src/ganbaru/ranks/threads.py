"""Ranks as threads of one process: for tests, and to see what ranks compute."""

from __future__ import annotations

import functools
import operator
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ganbaru import ranks
from ganbaru.ranks import Group, RankError


class _Table:
    """What the threads of a group share. They take turns: one computes, up to its next exchange.

    In parallel each would wait for Python's lock, up to 5 ms, after each product.
    """

    def __init__(self, size: int, timeout: float) -> None:
        self.size, self.timeout, self.turn = size, timeout, 0
        # A rank may be one exchange ahead of another.
        self.places: tuple[list[Any], list[Any]] = ([None] * size, [None] * size)
        self.changed = threading.Condition()
        self.errors: dict[int, BaseException] = {}
        self.messages, self.bytes = 0, 0  # that a rank has sent in `total`

    def wait(self, rank: int) -> None:
        """Wait for a rank's turn; raises RankError if another one has ended, or after a time."""
        with self.changed:
            ready = self.changed.wait_for(lambda: self.turn == rank or self.errors, self.timeout)
        if self.errors:
            first = [r for r, error in self.errors.items() if not isinstance(error, RankError)]
            raise RankError(f"Rank {min(first or self.errors)} ended, and the run with it.")
        if not ready:
            raise RankError(f"Rank {self.turn} did not answer for {self.timeout:g} s.")

    def go_on(self, error: dict[int, BaseException] | None = None) -> None:
        """Let the next rank compute, or all learn of an error."""
        with self.changed:
            self.errors |= error or {}
            self.turn = (self.turn + 1) % self.size
            self.changed.notify_all()


class Threads(Group):
    """One of the ranks that are threads; sums are added in rank order."""

    def __init__(self, table: _Table, rank: int) -> None:
        self.table, self.rank, self.size, self.exchanges = table, rank, table.size, 0

    def total(self, x: Any, reuse: bool = False) -> Any:
        if self.leads:
            self.table.messages += 1
            self.table.bytes += x.nbytes
        # A copy, as others may change x; PyTorch's tensors stay what they are.
        copy = x.detach().clone() if hasattr(x, "detach") else np.array(x)
        return functools.reduce(operator.add, self._exchange(copy))

    def gather(self, value: Any) -> list[Any]:
        return list(self._exchange(value))

    def _exchange(self, value: Any) -> list[Any]:
        places = self.table.places[self.exchanges % 2]
        self.exchanges += 1
        places[self.rank] = value
        self.table.go_on()
        self.table.wait(self.rank)
        return places


def run(size: int, function: Callable[[Group], Any], timeout: float = 60) -> list[Any]:
    """Return ``function(group)`` of each rank, run as threads; raises the first error of a rank."""
    table = _Table(size, timeout)
    results: list[Any] = [None] * size

    def work(group: Threads) -> None:
        try:
            table.wait(group.rank)
            with ranks.joined(group):
                results[group.rank] = function(group)
        except BaseException as error:
            table.go_on({group.rank: error})
        else:
            table.go_on()

    threads = [threading.Thread(target=work, args=(Threads(table, i),)) for i in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own = [error for error in table.errors.values() if not isinstance(error, RankError)]
    for error in own or table.errors.values():
        raise error
    return results
