"""Training steps recorded as CUDA graphs and replayed: one launch instead of a thousand."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch

from ganbaru.engines.base import mapped

from .rehearsal import Rehearsal

Tensor = torch.Tensor
State = dict[str, dict[str, Tensor]]
# record(work, stream) -> replay: the first runs `work` on a stream to see what it launches, the
# second launches that again, on the same memory, and returns what `work` did.
Record = Callable[[Callable[[], Any], Any], Callable[[], Any]]

# Calls before the recording: the first ones choose algorithms and make handles and workspaces,
# which may not be done while recording.
WARM = 3


class Recorder:
    """``train_step(state, *inputs) -> (state, report)``, recorded once for each set of shapes.

    Every replay reads and writes the memory of the state that the recording began with: a step
    consumes its state, so this is safe. Inputs, Python numbers too, are copied to the memory that
    the recording read. Rare shapes, such as a short batch's, run unrecorded until they have
    occurred more than three times; all unrecorded steps run on one stream, the recordings'.

    The second and third calls are rehearsals (see `Rehearsal`). A step that cannot be recorded, or
    not faithfully, always runs unrecorded; `refused` is the reason, and `notes` has it for the
    user.
    """

    def __init__(self, train_step: Callable, record: Record | None = None) -> None:
        self.train_step, self.record = train_step, record or CudaRecord()
        self.met: Counter[tuple] = Counter()
        self.replays: dict[tuple, Replay] = {}
        self.rehearsed: dict[tuple, tuple[Replay, Rehearsal]] = {}  # before they are recorded
        self.stream: Any = None
        self.refused = ""
        self.notes: list[str] = []

    def __call__(self, state: State, *inputs: Any) -> tuple[State, dict[str, Tensor]]:
        """Run a step; its metrics stay valid after the next one."""
        with _where(state):
            return self._run(state, inputs)

    def _run(self, state: State, inputs: tuple) -> tuple[State, dict[str, Tensor]]:
        leaves = leaves_of(inputs)
        kind = tuple(_kind(leaf) for leaf in leaves)
        self.met[kind] += 1
        if self.met[kind] > WARM and kind in self.rehearsed:
            self._record(kind, state)
        if kind in self.replays:
            return self.replays[kind](state, leaves)
        with self._aside(state):
            if self.met[kind] > 1 and not self.refused:
                return self._rehearse(kind, state, inputs)
            result: tuple[State, dict[str, Tensor]] = self.train_step(state, *inputs)
        return result

    def _rehearse(self, kind: tuple, state: State, inputs: tuple) -> Any:
        """Run a step as it will be recorded; where that fails, from the same state as it is."""
        replay, earlier = self.rehearsed.get(kind, (None, None))
        before = {group: {n: t.clone() for n, t in each.items()} for group, each in state.items()}
        rehearsal = Rehearsal(_first(state).device)
        try:
            replay = replay or Replay(self.train_step, state, inputs)
            replay.launch = rehearsal.watching(replay.work)
            result = replay(state, leaves_of(inputs))
        except Exception as error:
            reason = _said(error)
        else:
            self.rehearsed[kind] = replay, rehearsal
            if reason := rehearsal.reads or rehearsal.differs(earlier):
                self._refuse(reason)
            return result
        self._refuse(reason)
        _write_back(before, state)
        return self.train_step(state, *inputs)

    def _record(self, kind: tuple, state: State) -> None:
        replay, _ = self.rehearsed.pop(kind)
        try:
            replay.launch = self.record(replay.work, self.stream)
        except Exception as error:  # CUDA's or the step's reason; nothing has been computed yet
            reason = _said(error)
        else:
            self.replays[kind] = replay
            return
        self._refuse(reason)  # now the error and the tensors that it refers to are gone
        if _gpu(state):
            torch.cuda.empty_cache()

    def _refuse(self, reason: str) -> None:
        self.refused = reason
        self.rehearsed.clear()
        self.notes.append(
            f"Training steps run without a CUDA graph, which takes longer: {reason}. To record "
            f"them, compute with tensors alone, and let what changes be an input of the step."
        )

    @contextlib.contextmanager
    def _aside(self, state: State) -> Iterator[None]:
        """Run on a separate stream, as CUDA requires before recording; wait before and after."""
        device = _gpu(state)
        if not device:
            yield
            return
        # One for all: memory that is cached for a stream serves no other one.
        self.stream = self.stream or torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        now = torch.cuda.current_stream()
        self.stream.wait_stream(now)
        with torch.cuda.stream(self.stream):
            yield
        now.wait_stream(self.stream)


class Replay:
    """A step in the memory that its recording reads and writes; `launch` runs it there."""

    def __init__(self, train_step: Callable, state: State, inputs: tuple) -> None:
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

        self.work, self.launch = work, work

    def __call__(self, state: State, leaves: list) -> tuple[State, dict[str, Tensor]]:
        """Run the step from this state with these inputs."""
        if state is not self.state:  # other shapes ran in between, and returned new tensors
            _write_back(state, self.state)
        tensors = (leaf for leaf in leaves if isinstance(leaf, Tensor))
        for mine, given in zip(self.tensors, tensors, strict=True):
            mine.copy_(given, non_blocking=True)
        self.numbers.copy_(_pinned(_numbers(leaves), self.numbers), non_blocking=True)
        report = self.launch().clone()  # the next replay writes over it
        return self.state, dict(zip(self.names, report.unbind(), strict=True))


def _said(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0].rstrip(".")


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

    def __call__(self, work: Callable[[], Tensor], stream: Any) -> Callable[[], Tensor]:
        """Record what `work` launches on a stream; return what launches it again.

        If that fails, stream and allocator are as they were, and the error is the first one.
        """
        self.pool = self.pool or torch.cuda.graph_pool_handle()
        graph, before = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        first: BaseException | None = None
        # Of this thread alone: another one may copy from pinned memory meanwhile.
        how: dict[str, Any] = {"stream": stream, "capture_error_mode": "thread_local"}
        try:
            with torch.cuda.graph(graph, pool=self.pool, **how):
                try:
                    result = work()
                except BaseException as error:
                    first = error
                    raise
        except BaseException as error:
            torch.cuda.set_stream(before)
            _abandon(graph, before.device_index, self.pool)
            raise first or error from None  # the end of a capture says only that it had failed
        finally:
            first = None  # it refers to this frame, and by it to the step's tensors

        def replay() -> Tensor:
            graph.replay()
            return result

        return replay


def _abandon(graph: Any, device: int, pool: Any) -> None:
    """End a recording that failed: PyTorch leaves its allocator recording.

    Where PyTorch has ended it by itself, the first call raises, and the pool is not ours to
    release.
    """
    graph.reset()
    with contextlib.suppress(RuntimeError, AttributeError):  # before 2.6 it has other names
        torch._C._cuda_endAllocateToPool(device, pool)
        torch._C._cuda_releasePool(device, pool)


def _first(state: State) -> Tensor:
    return next(itertools.chain.from_iterable(group.values() for group in state.values()))


def _gpu(state: State) -> torch.device | None:
    first = _first(state)
    return first.device if first.is_cuda else None


def _where(state: State) -> Any:
    """Make the state's GPU the current one."""
    device = _gpu(state)
    return torch.cuda.device(device) if device else contextlib.nullcontext()


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
