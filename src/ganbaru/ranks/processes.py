"""Ranks as processes, started by `torchrun` or a cluster, over torch.distributed.

The environment says which rank a process is, as for every program of PyTorch: RANK, WORLD_SIZE,
MASTER_ADDR, MASTER_PORT. Tensors of a GPU are exchanged by NCCL, all else by Gloo.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np

from ganbaru import ranks
from ganbaru.errors import InputError, RunError, missing_extra
from ganbaru.ranks import Group, RankError, mesh
from ganbaru.ranks.remote import JOIN, Remote, not_started, seconds

PLACE = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@contextlib.contextmanager
def joined() -> Iterator[Group]:
    """Join the ranks that the environment announces, for commands; a group of one otherwise.

    Raises InputError for an incomplete environment, RunError if a rank does not start in time.
    """
    given = {name: os.environ[name] for name in PLACE if os.environ.get(name)}
    group: Remote
    if os.environ.get(mesh.ADDRESS):
        group = mesh.Mesh()
    elif given.get("WORLD_SIZE", "1") == "1":
        yield ranks.ALONE
        return
    else:
        group = Processes(*_place(given))
    try:
        with ranks.joined(group):
            yield group
    except RankError:
        raise
    except BaseException:
        group.leave()
        raise
    finally:
        group.close()


def _place(given: dict[str, str]) -> tuple[int, int, str, int]:
    """Return rank, number of ranks, host and port."""
    if missing := [name for name in PLACE if name not in given]:
        raise InputError(
            f"WORLD_SIZE={given['WORLD_SIZE']} announces several processes, and "
            f"{', '.join(missing)} is not set: start them with torchrun, or set "
            f"{', '.join(PLACE)} for each; for one process unset WORLD_SIZE."
        )
    numbers = {name: given[name] for name in PLACE if name != "MASTER_ADDR"}
    for name, text in numbers.items():
        if not text.isdecimal():
            raise InputError(f"{name}={text!r} is no whole number: start with torchrun.")
    rank, size, port = map(int, numbers.values())
    if rank >= size:
        raise InputError(f"RANK={rank} of WORLD_SIZE={size}: give numbers from 0 to {size - 1}.")
    if not importlib.util.find_spec("torch"):
        needs = f"WORLD_SIZE={size}: several processes exchange their numbers by PyTorch"
        raise missing_extra(needs, "torch", "For one process unset WORLD_SIZE.")
    return rank, size, given["MASTER_ADDR"], port


class Processes(Remote):
    """One of the ranks that are processes."""

    def __init__(self, rank: int, size: int, host: str, port: int) -> None:
        """Join the others; raises RunError, which names those that have not started in time."""
        # Or the loss of a rank prints a stack of C++ before our message.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        import torch
        import torch.distributed as dist

        self.rank, self.size, self.torch, self.dist = rank, size, torch, dist
        # Each rank's engine takes its share of the cores.
        local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        os.environ.setdefault("GANBARU_THREADS", str(max(1, cores // local)))
        limit = timedelta(seconds=min(JOIN, seconds()))
        agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        try:
            store = dist.TCPStore(
                host, port, size, rank == 0 and not agent, limit, wait_for_workers=False
            )
            again = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
            self.store = dist.PrefixStore(f"ganbaru{again}", store)
            self.report("here")
        except (RuntimeError, ValueError) as error:
            raise RunError(
                f"Rank {rank} found no rank 0 at {host}:{port}: start it, and see that "
                f"MASTER_ADDR and MASTER_PORT are its own."
            ) from error
        if missing := self.missing("here", limit.total_seconds()):
            raise RunError(not_started(missing, size, limit.total_seconds(), "WORLD_SIZE"))
        gpu = torch.cuda.is_available()
        if gpu:  # --device cuda is this rank's then
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        how = {"store": self.store, "rank": rank, "world_size": size, "timeout": limit}
        with self.watched():
            dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", **how)
        # From now on a rank may wait long, such as for rank 0 while it scores.
        dist.distributed_c10d._set_pg_timeout(timedelta(seconds=seconds()))

    def total(self, x: Any, reuse: bool = False) -> Any:
        if not isinstance(x, self.torch.Tensor):
            own = np.asarray(x, order="C") if reuse else np.array(x, order="C")
            return self._summed(self.torch.from_numpy(own)).numpy()
        if reuse and x.is_contiguous():
            return self._summed(x.detach())
        return self._summed(x.detach().clone(memory_format=self.torch.contiguous_format))

    def _summed(self, tensor: Any) -> Any:
        with self.watched():
            self.dist.all_reduce(tensor)
        return tensor

    def gather(self, value: Any) -> list[Any]:
        found: list[Any] = [None] * self.size
        with self.watched():
            self.dist.all_gather_object(found, value)
        return found

    def broadcast(self, value: Any) -> Any:
        found = [value]
        with self.watched():
            self.dist.broadcast_object_list(found, 0)
        return found[0]

    def report(self, key: str) -> None:
        self.store.set(f"{key}{self.rank}", "")

    def reported(self, key: str) -> set[int]:
        return {i for i in range(self.size) if self.store.check([f"{key}{i}"])}

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):
            self.dist.destroy_process_group()
