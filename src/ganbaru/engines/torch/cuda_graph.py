"""Training steps recorded as CUDA graphs and replayed: one launch instead of a thousand."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch

from ganbaru.engines.base import mapped

Tensor = torch.Tensor
State = dict[str, dict[str, Tensor]]
# record(work) -> replay: the first runs `work` to see what it launches, the second launches that
# again, on the same memory, and returns what `work` did.
Record = Callable[[Callable[[], Any]], Callable[[], Any]]

# Calls before the recording: the first ones choose algorithms and make handles and workspaces,
# which may not be done while recording.
WARM = 3


class Recorder:
    """``train_step(state, *inputs) -> (state, report)``, recorded once for each set of shapes.

    Every replay reads and writes the memory of the state that the recording began with: a step
    consumes its state, so this is safe. Inputs, Python numbers too, are copied to the memory that
    the recording read. Rare shapes, such as a short batch's, run unrecorded until they have
    occurred more than three times.

    A step that cannot be recorded, since something in it reads a number from the GPU, always runs
    unrecorded; `refused` holds the reason.
    """

    def __init__(self, train_step: Callable, record: Record | None = None) -> None:
        self.train_step, self.record = train_step, record or CudaRecord()
        self.met: Counter[tuple] = Counter()
        self.replays: dict[tuple, Replay] = {}
        self.refused = ""

    def __call__(self, state: State, *inputs: Any) -> tuple[State, dict[str, Tensor]]:
        """Run a step; its metrics stay valid after the next one."""
        with _where(state):
            return self._run(state, inputs)

    def _run(self, state: State, inputs: tuple) -> tuple[State, dict[str, Tensor]]:
        leaves = leaves_of(inputs)
        kind = tuple(_kind(leaf) for leaf in leaves)
        self.met[kind] += 1
        if kind not in self.replays and self.met[kind] > WARM and not self.refused:
            self._try(kind, state, inputs)
        if kind in self.replays:
            return self.replays[kind](state, leaves)
        with _side_stream(state):
            result: tuple[State, dict[str, Tensor]] = self.train_step(state, *inputs)
        return result

    def _try(self, kind: tuple, state: State, inputs: tuple) -> None:
        try:
            self.replays[kind] = Replay(self.train_step, self.record, state, inputs)
        except RuntimeError as error:  # CUDA's reason; nothing has been computed yet
            self.refused = str(error).partition("\n")[0]
            logging.getLogger(__name__).info("A step runs unrecorded: %s", self.refused)


class Replay:
    """A recorded step, with the memory that it reads and writes."""

    def __init__(self, train_step: Callable, record: Record, state: State, inputs: tuple) -> None:
        self.state = state
        leaves = leaves_of(inputs)
        self.tensors = [leaf.clone() for leaf in leaves if isinstance(leaf, Tensor)]
        self.numbers = torch.tensor(
            _numbers(leaves), dtype=torch.float64, device=_first(state).device
        )
        given = _refilled(inputs, self.tensors, self.numbers)
        self.names: tuple[str, ...] = ()

        def work() -> Tensor:
            after, report = train_step(state, *given)
            _write_back(after, state)
            self.names = tuple(report)
            return torch.stack([value.detach() for value in report.values()])

        self.replay = record(work)

    def __call__(self, state: State, leaves: list) -> tuple[State, dict[str, Tensor]]:
        """Run the step from this state with these inputs."""
        if state is not self.state:  # other shapes ran in between, and returned new tensors
            _write_back(state, self.state)
        tensors = (leaf for leaf in leaves if isinstance(leaf, Tensor))
        for mine, given in zip(self.tensors, tensors, strict=True):
            mine.copy_(given, non_blocking=True)
        self.numbers.copy_(_pinned(_numbers(leaves), self.numbers), non_blocking=True)
        report = self.replay().clone()  # the next replay writes over it
        return self.state, dict(zip(self.names, report.unbind(), strict=True))


def _write_back(after: State, state: State) -> None:
    """Copy state that the step returned in new memory to the memory that the graph reads."""
    for group, tensors in after.items():
        for name, tensor in tensors.items():
            if tensor is not state[group][name]:
                state[group][name].copy_(tensor)


def _numbers(leaves: list) -> list[float]:
    return [float(leaf) for leaf in leaves if isinstance(leaf, (int, float))]


def _pinned(numbers: list[float], like: Tensor) -> Tensor:
    """Return numbers in pinned memory, from which a copy to the GPU does not wait."""
    return torch.tensor(numbers, dtype=like.dtype, pin_memory=like.is_cuda)


def _kind(leaf: Any) -> Any:
    """Return what must be equal for a recording to apply."""
    return (leaf.dtype, tuple(leaf.shape)) if isinstance(leaf, Tensor) else type(leaf)


def _refilled(nest: Any, tensors: list[Tensor], numbers: Tensor) -> Any:
    """Return nested inputs with the tensors and numbers of a recording."""
    mine, each = iter(tensors), iter(numbers.unbind())

    def other(leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            return next(mine)
        return next(each) if isinstance(leaf, (int, float)) else leaf

    return mapped(other, nest)


def leaves_of(nest: Any) -> list:
    """List the leaves of nested dictionaries, lists and tuples, in order."""
    found: list = []
    mapped(found.append, nest)
    return found


# --- CUDA -------------------------------------------------------------------------------------


class CudaRecord:
    """Records CUDA graphs, which share one pool of memory since they never run concurrently."""

    def __init__(self) -> None:
        self.pool: Any = None

    def __call__(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Record what `work` launches on the current GPU; return what launches it again."""
        self.pool = self.pool or torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        # Of this thread alone: another one may copy from pinned memory meanwhile.
        with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
            result = work()

        def replay() -> Tensor:
            graph.replay()
            return result

        return replay


def _first(state: State) -> Tensor:
    return next(itertools.chain.from_iterable(group.values() for group in state.values()))


def _where(state: State) -> Any:
    """Make the state's GPU the current one."""
    first = _first(state)
    return torch.cuda.device(first.device) if first.is_cuda else contextlib.nullcontext()


@contextlib.contextmanager
def _side_stream(state: State) -> Iterator[None]:
    """Run on a separate stream, as CUDA requires before recording; wait before and after."""
    if not _first(state).is_cuda:
        yield
        return
    now, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(now)
    with torch.cuda.stream(side):
        yield
    now.wait_stream(side)


@contextlib.contextmanager
def _float32_products(precision: str, **cudnn: bool) -> Iterator[None]:
    """Set the precision of float32 products ("high" keeps 10 bits) and cuDNN's flags, inside."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        with torch.backends.cudnn.flags(enabled=True, **cudnn):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


# Decorators. In a loose function float32 products keep 10 bits and cuDNN tries algorithms; in an
# exact one float32 is exact and the same input gives the same bits.
loose = _float32_products("high", benchmark=True, deterministic=False, allow_tf32=True)
exact = _float32_products("highest", benchmark=False, deterministic=True, allow_tf32=False)


def exactly() -> None:
    """Compute everything in this process on a GPU as inside `exact`."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
