"""The cases, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from . import ceilings, loading, sampling, startup, step
from .racing import Bench, Table


class Case(NamedTuple):
    """What is measured, in a sentence, and what measures it."""

    summary: str
    measure: Callable[[Bench], list[Table]]


CASES = {
    "step": Case("a training step, with peak memory", step.steps),
    "batch": Case("a step over batch sizes", partial(step.over, "batch", "batches")),
    "width": Case("a step over widths", partial(step.over, "width", "widths")),
    "size": Case("a step over image sizes", partial(step.over, "size", "sizes")),
    "cores": Case("a step over cores", step.over_cores),
    "sampling": Case("images made in memory and into files, with peak memory", sampling.sampling),
    "loading": Case("data loaded the first time and from the cache", loading.loading),
    "waiting": Case("the share of training that waits for data", loading.waiting),
    "startup": Case("commands to their end, training to its first step", startup.startup),
}
# In any call first: what the others' shares are of.
CEILINGS = Case("products of matrices and copies, as fast as the machine can", ceilings.measure)
