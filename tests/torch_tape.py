"""Recordings of PyTorch's operations on a CPU, as a CUDA graph records them on a GPU."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganbaru.engines.torch import indexing
from ganbaru.engines.torch.cuda_graph import Recorder
from ganbaru.gan import step


class Tape(TorchDispatchMode):
    """Records operations on tensors; `replay` repeats them in the same memory, without Python.

    It refuses what a CUDA graph does: reading a number, and copying one in from the processor.
    """

    REFUSED = ("_local_scalar_dense", "lift_fresh", "nonzero", "_unique2")

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep PyTorch from importing its compiler, 1.3 s of processor time."""
        return False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in self.REFUSED:
            raise RuntimeError(f"{func} is not permitted when stream is capturing")
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, result))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        for function, args, kwargs, recorded in self.calls:
            again = function(*args, **kwargs)
            for old, new in zip(tree_leaves(recorded), tree_leaves(again), strict=True):
                # Views and updates in place have their memory already.
                if isinstance(old, torch.Tensor) and not _shared(old, new):
                    old.copy_(new)


def _shared(x: torch.Tensor, y: torch.Tensor) -> bool:
    return x.untyped_storage().data_ptr() == y.untyped_storage().data_ptr()


def on_tape(gan: Any) -> Callable:
    """Return a `Record` that leaves the state of a game as it was, as recording on a GPU does."""

    def record(work: Callable[[], Any], stream: Any) -> Callable[[], Any]:
        before = {
            group: {n: x.clone() for n, x in each.items()} for group, each in gan.state.items()
        }
        tape = Tape()
        with tape:
            result = work()
        with torch.no_grad():
            for group, each in before.items():
                for name, x in each.items():
                    gan.state[group][name].copy_(x)

        def replay() -> Any:
            tape.replay()
            return result

        return replay

    return record


def recorded(gan: Any, train_step: Callable | None = None, record: Any = None) -> Recorder:
    """Return the recorder of a game's step, or of another step."""
    train_step = train_step or functools.partial(step.train_step, gan.gan)
    return Recorder(indexing.keeping({})(train_step), record or on_tape(gan))
