"""Ranks: the processes that train one run together, and what they compute over the global batch.

A global batch is split by stride: rank r of W has images r, r + W, r + 2 W, ... All communication
in a training step is `across`, a sum over ranks that is its own adjoint: the gradient of a sum over
ranks is the sum of the ranks' gradients. So every rank differentiates the sum of all losses,
to any order. On one rank it is the identity and costs nothing.
"""

from __future__ import annotations

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

from ganbaru import ops
from ganbaru.errors import InputError, RunError
from ganbaru.ops import Tensor

T = TypeVar("T")


class RankError(RunError):
    """A run that ended because a rank did: it names the rank."""


class Group(ABC):
    """The ranks of a run as one of them sees it: its own number, how many, and two exchanges."""

    rank: int = 0
    size: int = 1
    # Whether a step is one program of the whole batch on all ranks' devices, as of JAX.
    mesh: bool = False

    @property
    def part(self) -> tuple[int, int]:
        """The part of each batch that this rank draws, and their number."""
        return (0, 1) if self.mesh else (self.rank, self.size)

    @abstractmethod
    def total(self, x: Any, reuse: bool = False) -> Any:
        """Return the sum of a tensor over all ranks, the same bits on each.

        In new memory, or in that of `x` where a group can, if the caller lets it `reuse` that.
        """

    @abstractmethod
    def gather(self, value: Any) -> list[Any]:
        """Return the value of each rank, in rank order; waits for all of them."""

    @property
    def leads(self) -> bool:
        """Whether this is rank 0, which alone writes files and prints."""
        return self.rank == 0

    def broadcast(self, value: Any) -> Any:
        """Return rank 0's value."""
        return self.gather(value if self.leads else None)[0]

    def ready(self) -> None:  # noqa: B027  most need nothing
        """Prepare for training, on all ranks at once, when the options of the run are known."""

    def watched(self) -> contextlib.AbstractContextManager[None]:
        """Turn an error that another rank's end causes, inside, into one that names it."""
        return contextlib.nullcontext()


class Alone(Group):
    """The group of a run on one process."""

    def total(self, x: Any, reuse: bool = False) -> Any:
        return x

    def gather(self, value: Any) -> list[Any]:
        return [value]


ALONE = Alone()


_world: ContextVar[Group | None] = ContextVar("world", default=None)
_among: ContextVar[Group | None] = ContextVar("among", default=None)


def world() -> Group:
    """Return the ranks that this process trains with."""
    return _world.get() or ALONE


@contextlib.contextmanager
def joined(group: Group) -> Iterator[Group]:
    """Train with the ranks of a group, inside."""
    token = _world.set(group)
    try:
        yield group
    finally:
        _world.reset(token)


@contextlib.contextmanager
def among(group: Group) -> Iterator[None]:
    """Compute over the global batch of a group's ranks, inside: for training steps alone.

    What one rank computes by itself, such as scores, would wait for the others for ever.
    """
    token = _among.set(group if group.size > 1 and not group.mesh else None)
    try:
        with group.watched() if group.mesh else contextlib.nullcontext():
            yield
    finally:
        _among.reset(token)


def attempt(function: Callable[[], T]) -> T:
    """Return what a function returns on this rank; if it raises on any rank, all ranks end.

    Rank 0 raises the first error, with the rank's number if it is not its own; others are silent.
    """
    group, failed, result = world(), None, None
    if group.size == 1:
        return function()
    try:
        result = function()
    except (InputError, RunError, OSError) as error:
        failed = error
    outcomes = group.gather(failed and (isinstance(failed, InputError), str(failed)))
    for rank, outcome in enumerate(outcomes):
        if outcome:
            if not group.leads:
                raise SystemExit(2 if outcome[0] else 1)
            kind = InputError if outcome[0] else RunError
            raise failed or kind(f"Rank {rank}: {outcome[1]}")
    return result  # type: ignore[return-value]


# --- over the global batch ----------------------------------------------------------------------


def count() -> int:
    """Return the number of ranks of the step that is computed."""
    group = _among.get()
    return group.size if group else 1


def across(x: Tensor) -> Tensor:
    """Return the sum of `x` over all ranks, differentiable to any order."""
    group = _among.get()
    return x if group is None else ops.engine(x).across(x, group)


def totals(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the sum of each tensor over all ranks, in one message; all are of one type."""
    return list(tensors) if count() == 1 else _unpacked(across(_packed(tensors)), tensors)


def averages(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the mean of each tensor over all ranks, in one message; without a gradient."""
    group = _among.get()
    if group is None:
        return list(tensors)
    flat = group.total(_packed(tensors), reuse=True)
    flat /= group.size
    return _unpacked(flat, tensors)


# As tensors are in memory (channels last): gradients in another order than weights would make
# Adam three times as slow.
_PACKED, _UNPACKED = (0, 2, 3, 1), (0, 3, 1, 2)


def _packed(tensors: Sequence[Tensor]) -> Tensor:
    rows = [ops.transpose(x, _PACKED) if len(x.shape) == 4 else x for x in tensors]
    return ops.concat([ops.reshape(x, (-1,)) for x in rows])


def _unpacked(flat: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    found, start = [], 0
    for x in tensors:
        sides = tuple(x.shape)
        stop = start + math.prod(sides)
        part = ops.slice(flat, (start,), (stop,))
        if len(sides) == 4:
            rows = ops.reshape(part, tuple(sides[i] for i in _PACKED))
            found.append(ops.transpose(rows, _UNPACKED))
        else:
            found.append(ops.reshape(part, sides))
        start = stop
    return found


def means(*tensors: Tensor) -> list[Tensor]:
    """Return the mean of each tensor over all its axes and all ranks, in one message."""
    return [x / count() for x in totals([ops.mean(x) for x in tensors])]


def batch_mean(
    x: Tensor, axis: Sequence[int] | int | None = None, keepdims: bool = False
) -> Tensor:
    """Return the mean over `axis`, which has the images in it, of the global batch.

    What an objective or a layer compares single images with must be such a mean. A loss itself is
    an ordinary mean: the losses of all ranks are averaged.
    """
    return across(ops.mean(x, axis=axis, keepdims=keepdims)) / count()


def gathered(x: Tensor) -> Tensor:
    """Return the tensors of all ranks in rank order, as (W, *shape)."""
    group = _among.get()
    row = ops.reshape(x, (1, *x.shape))
    if group is None:
        return row
    around = [(group.rank, group.size - 1 - group.rank), *[(0, 0)] * len(x.shape)]
    return across(ops.pad(row, around))


def whole_batch(x: Tensor) -> Tensor:
    """Return the global batch (W N, ...), in its own order, of which this rank has `x` (N, ...)."""
    if count() == 1:
        return x
    rows = gathered(x)
    mixed = ops.transpose(rows, (1, 0, *range(2, len(rows.shape))))
    return ops.reshape(mixed, (-1, *x.shape[1:]))


def own_part(x: Tensor) -> Tensor:
    """Return the rows of this rank (N, ...) of a tensor of the global batch (W N, ...)."""
    group = _among.get()
    if group is None:
        return x
    n, *rest = x.shape
    apart = ops.reshape(x, (n // group.size, group.size, *rest))
    zeros = [0] * len(rest)
    mine = ops.slice(apart, (0, group.rank, *zeros), (n // group.size, group.rank + 1, *rest))
    return ops.reshape(mine, (n // group.size, *rest))


def pooled(average: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance (C,) of the global batch, from those of this rank's part.

    One message. Merged as in Chan, Golub and LeVeque (1983), which stays exact where the mean is
    large against the spread, as the mean of squares less the square of the mean would not.
    """
    if count() == 1:
        return average, variance
    channels = average.shape[0]
    each = gathered(ops.concat([average, variance]))
    own = ops.slice(each, (0, 0), (count(), channels))
    variances = ops.slice(each, (0, channels), (count(), 2 * channels))
    average = ops.mean(own, axis=0)
    apart = own - ops.reshape(average, (1, channels))
    return average, ops.mean(variances + apart * apart, axis=0)
