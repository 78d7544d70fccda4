"""An update's parts: micro-batches in sequence on one rank, and the parts of the other ranks.

Both are the same mean. Where images do not enter each other's losses it is the update of the whole
batch; ranks exchange batch statistics (`ganbaru.ranks`), micro-batches cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ganbaru import ranks
from ganbaru.ops import Parameters, Tensor


class Part(NamedTuple):
    """What a part of a batch contributes to an update."""

    gradients: Parameters
    metrics: Parameters
    buffers: Mapping[str, Parameters]  # by group of the state, after the part's passes


def over(update: Callable[[Any], Part], batch: Any) -> Part:
    """Return the mean of ``update(part)`` over a batch's micro-batches and over all ranks.

    Micro-batches are computed one after the other, so that only one is in memory, each from the
    same buffers. Gradients and metrics of a rank are one message.
    """
    first, *rest = batch.parts
    found = update(first)
    for part in rest:
        found = _added(found, update(part))
    count = 1 + len(rest)
    if count > 1:
        buffers = {group: _divided(each, count) for group, each in found.buffers.items()}
        found = Part(_divided(found.gradients, count), _divided(found.metrics, count), buffers)
    return found._replace(**_of_all_ranks(found))


def _of_all_ranks(part: Part) -> dict[str, Parameters]:
    groups = {"gradients": part.gradients, "metrics": part.metrics}
    if ranks.count() == 1:
        return groups
    every = [x for group in groups.values() for x in group.values()]
    means = iter(ranks.averages(every))
    return {name: {key: next(means) for key in group} for name, group in groups.items()}


def mean(buffers: Sequence[Parameters]) -> Parameters:
    """Return the mean of buffers after passes over micro-batches from the same buffers."""
    first, *others = buffers
    for other in others:
        first = _sum(first, other)
    return _divided(first, len(buffers)) if others else first


def _added(one: Part, other: Part) -> Part:
    buffers = {group: _sum(each, other.buffers[group]) for group, each in one.buffers.items()}
    return Part(_sum(one.gradients, other.gradients), _sum(one.metrics, other.metrics), buffers)


def _sum(one: Parameters, other: Parameters) -> Parameters:
    return {name: x + other[name] for name, x in one.items()}


def _divided(tensors: Parameters, count: int) -> dict[str, Tensor]:
    return {name: x / count for name, x in tensors.items()}
