"""Ranks as processes of JAX: each step is one program on the devices of all of them.

`jax.distributed` says which rank a process is: JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and
JAX_PROCESS_ID; the last two may be left to JAX where it knows them (Slurm, Open MPI, TPUs).
XLA exchanges what a step needs, by Gloo on CPUs; here is what the run agrees on between steps.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import os
import pickle
import types
from typing import Any

import numpy as np

from ganbaru.errors import InputError, RunError, missing_extra
from ganbaru.ranks.remote import JOIN, ROLL_CALL, Remote, seconds

ADDRESS, COUNT, NUMBER = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
SETTINGS = {
    "jax_logging_level": "CRITICAL",  # or C++ prints pages before our message
    "jax_cpu_collectives_implementation": "gloo",
    "jax_enable_recoverability": True,  # or C++ ends the process when another one has ended
    "jax_enable_preemption_service": False,  # which takes SIGTERM, by which a run stops and saves
}
HEARTBEAT = 100  # seconds after which JAX takes a silent process for dead: its own default


class Mesh(Remote):
    """One of the ranks that are processes of JAX."""

    mesh = True

    def __init__(self) -> None:
        """Join the others; raises RunError if one does not start in time."""
        if not importlib.util.find_spec("jax"):
            raise missing_extra(
                f"{ADDRESS} announces processes of JAX", "jax", f"Or unset {ADDRESS}."
            )
        import jax
        from jax._src import distributed  # JAX's store has no public name

        limit = min(JOIN, seconds())
        address = os.environ[ADDRESS]
        if not address.rpartition(":")[2].isdecimal():
            raise InputError(f"{ADDRESS}={address!r}: give host:port of process 0.")
        for name, value in SETTINGS.items():
            with contextlib.suppress(AttributeError):  # older versions lack some
                jax.config.update(name, value)  # type: ignore[no-untyped-call]
        _survive(distributed)
        try:
            jax.distributed.initialize(
                address,
                _number(COUNT),
                _number(NUMBER),
                initialization_timeout=int(limit),
                heartbeat_timeout_seconds=HEARTBEAT,
                shutdown_timeout_seconds=int(ROLL_CALL),
            )
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{ADDRESS}={address} announces processes of JAX: set also {COUNT} and {NUMBER}, "
                f"from 0, for each, or unset it ({error})."
            ) from error
        except RuntimeError as error:
            _end(jax, distributed)
            raise RunError(
                f"Not all processes of JAX came to {address} within {limit:.0f} s: start all "
                f"{os.environ.get(COUNT, '')} of them, and see that the address is process 0's."
            ) from error
        state: Any = distributed.global_state
        self.rank, self.size, self.client = state.process_id, state.num_processes, state.client
        self.jax: Any = jax
        self.exchanges, self.end = 0, functools.partial(_end, jax, distributed)

    def ready(self) -> None:
        with self.watched():
            self.jax.devices()  # each process waits here for all others
            # Now that all are here: Gloo gives the first exchange of a run 30 s, and a step that
            # one process compiles and another has in its cache may begin further apart.
            multihost_utils = importlib.import_module("jax.experimental.multihost_utils")
            multihost_utils.sync_global_devices("ganbaru")

    def total(self, x: Any, reuse: bool = False) -> Any:
        return sum(self.gather(np.asarray(x)))

    def gather(self, value: Any) -> list[Any]:
        earlier, place = (f"exchange{self.exchanges + i}" for i in range(2))
        self.exchanges += 1
        with self.watched():
            self.client.key_value_set_bytes(f"{place}/{self.rank}", pickle.dumps(value))
            self.client.wait_at_barrier(place, int(1000 * seconds()))
            found = dict(self.client.key_value_dir_get_bytes(f"{place}/"))
            if self.exchanges > 1:  # all have read it, as they came here
                self.client.key_value_delete(f"{earlier}/{self.rank}")
        return [pickle.loads(found[f"{place}/{i}"]) for i in range(self.size)]

    def report(self, key: str) -> None:
        self.client.key_value_set(f"{key}/{self.rank}", "1", allow_overwrite=True)

    def reported(self, key: str) -> set[int]:
        found = self.client.key_value_dir_get(f"{key}/")
        return {int(name.rpartition("/")[2]) for name, _ in found}

    def close(self) -> None:
        self.end()


def _number(name: str) -> int | None:
    text = os.environ.get(name)
    if text and not text.isdecimal():
        raise InputError(f"{name}={text!r} is no whole number.")
    return int(text) if text else None


def _survive(distributed: Any) -> None:
    """Let JAX raise an error where it would abort the process with a page of C++."""
    client = distributed._jax.get_distributed_runtime_client
    quiet = functools.partial(client, missed_heartbeat_callback=lambda *_: None)
    distributed._jax = types.SimpleNamespace(
        **{**vars(distributed._jax), "get_distributed_runtime_client": quiet}
    )


def _end(jax: Any, distributed: Any) -> None:
    """Leave the others; without the error that JAX raises at exit if one of them was lost."""
    with contextlib.suppress(RuntimeError):
        jax.distributed.shutdown()
    distributed.global_state.client = None
