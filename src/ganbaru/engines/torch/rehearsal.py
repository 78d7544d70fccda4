"""Rehearsals of a step before it is recorded: what a recording could not do or not repeat."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Tensor = torch.Tensor
READING = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
MASKS = (torch.bool, torch.uint8)


class Rehearsal(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Lists the operations of a step, each with the Python numbers that it is given.

    A recording repeats these numbers, so it is faithful only if they are the same in every step:
    what changes must be an input. `reads` is the first operation that takes a number from the
    device or a result's size from its numbers, which no recording can do.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device = device
        self.calls: list[tuple[Any, ...]] = []
        self.reads = ""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep PyTorch from importing its compiler, 1.3 s of processor time, around each call."""
        return False

    def watching(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Return `work`, rehearsed."""

        def watched() -> Tensor:
            with self:
                return work()

        return watched

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        leaves = tree_leaves((args, kwargs or {}))
        if not self.reads and self._reads(func, [x for x in leaves if isinstance(x, Tensor)]):
            self.reads = f"{func} reads numbers from the GPU"
        self.calls.append((func, *(repr(x) for x in leaves if isinstance(x, (int, float)))))
        return func(*args, **(kwargs or {}))

    def _reads(self, function: Any, tensors: list[Tensor]) -> bool:
        if not READING.intersection(function.tags):
            return False
        if function is torch.ops.aten.index.Tensor:  # by numbers, but not by masks, it may
            tensors = [x for x in tensors if x.dtype in MASKS]
        return any(x.device == self.device for x in tensors)

    def differs(self, earlier: Rehearsal | None) -> str:
        """Return the first difference from an earlier rehearsal, "" if there is none."""
        if earlier is None:
            return ""
        pairs = zip_longest(earlier.calls, self.calls, fillvalue=("nothing",))
        found = next((pair for pair in pairs if pair[0] != pair[1]), None)
        if found is None:
            return ""
        before, after = (" ".join(map(str, call)) for call in found)
        return f"its Python numbers change from step to step ({before}, then {after})"
