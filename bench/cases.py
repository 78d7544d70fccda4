"""The cases, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from . import loading, roofline, sampling, startup, step
from .interleaved import Bench, Table


class Case(NamedTuple):
    """A case: a sentence, and the function that measures it."""

    summary: str
    measure: Callable[[Bench], list[Table]]


CASES = {
    "step": Case("a training step, with peak memory", step.steps),
    "batch": Case("a step over batch sizes", partial(step.over, "batch", "batches")),
    "width": Case("a step over widths", partial(step.over, "width", "widths")),
    "size": Case("a step over image sizes", partial(step.over, "size", "sizes")),
    "cores": Case("a step over cores", step.over_cores),
    "sampling": Case("images generated in memory and to files, and peak memory", sampling.sampling),
    "loading": Case("data loaded the first time and from the cache", loading.loading),
    "waiting": Case("the fraction of training time spent waiting for data", loading.waiting),
    "startup": Case("start-up of commands, and of training until its first step", startup.startup),
}
# Always measured first: the other cases are compared with it.
CEILINGS = Case("matrix products and copies at the machine's peak speed", roofline.measure)
