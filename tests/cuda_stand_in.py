"""A stand-in of CUDA's streams and recordings in PyTorch, for machines without a GPU."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import torch

from ganbaru.engines.torch import cuda_graph


class Cuda:
    """A stand-in of `torch.cuda` that counts streams, and whose recordings may fail at their end.

    Its `graph` is PyTorch's own.
    """

    def __init__(self, monkeypatch, fails: bool) -> None:
        self.streams, self.current = [], SimpleNamespace(device_index=1, name="main")
        self.before, self.ended, self.allocating, self.resets = self.current, [], [], 0
        self.fails, self.emptied = fails, 0
        monkeypatch.setattr(cuda_graph, "_gpu", lambda state: torch.device("cuda:1"))
        for name in ("Stream", "current_stream", "stream", "set_stream", "CUDAGraph"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))
        for name in ("synchronize", "empty_cache"):
            monkeypatch.setattr(torch.cuda, name, self.empty)
        monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
        monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))
        for name in ("_host_emptyCache", "_cuda_endAllocateToPool", "_cuda_releasePool"):
            monkeypatch.setattr(torch._C, name, getattr(self, name), raising=False)

    def empty(self) -> None:
        self.emptied += 1

    def Stream(self, device=None):  # noqa: N802
        made = SimpleNamespace(device=device, wait_stream=lambda other: None)
        self.streams.append(made)
        return made

    def current_stream(self, device=None):
        return SimpleNamespace(device_index=1, wait_stream=lambda other: None, of=self.current)

    def set_stream(self, stream) -> None:
        self.current = getattr(stream, "of", stream)

    @contextlib.contextmanager
    def stream(self, stream):
        before = self.current
        self.current = stream
        yield  # as PyTorch's, if it is not left, nothing is restored
        self.current = before

    def CUDAGraph(self):  # noqa: N802
        return SimpleNamespace(
            capture_begin=self.begin, capture_end=self.end, reset=self.reset, replay=lambda: None
        )

    def begin(self, pool, **options) -> None:
        self.allocating.append(pool)
        self.capturing = self.current

    def end(self) -> None:
        if self.fails:
            raise RuntimeError("operation failed due to a previous error during capture")
        self.allocating.pop()

    def reset(self) -> None:
        self.resets += 1

    def _host_emptyCache(self) -> None:  # noqa: N802
        pass

    def _cuda_endAllocateToPool(self, device, pool) -> None:  # noqa: N802
        assert device == 1
        if pool not in self.allocating:
            raise RuntimeError("not recording to this pool")
        self.allocating.remove(pool)

    def _cuda_releasePool(self, device, pool) -> None:  # noqa: N802
        self.ended.append(pool)
