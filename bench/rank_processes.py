"""Ranks as real processes for `bench.distributed`: started, or forked from this one."""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from ganbaru.cli import main as cli


def _environment(rank: int, size: int, port: int) -> dict[str, str]:
    place = {"RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    place |= {"GANBARU_TIMEOUT": 60}
    one = {"GANBARU_THREADS": 1, "OMP_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 1}
    return {**os.environ, **{name: str(x) for name, x in {**place, **one}.items()}}


def _port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def started(size: int, command: list[str], **how: Any) -> list[subprocess.Popen]:
    """Start a command as each of some ranks, of one thread each."""
    port = _port()
    return [
        subprocess.Popen(command, env=_environment(rank, size, port), text=True, **how)
        for rank in range(size)
    ]


def _rank(arguments: list[str], rank: int, port: int, errors: Path) -> None:
    """Run the command as one of two ranks, in a forked process."""
    os.environ.update(_environment(rank, 2, port))
    with errors.open("w") as file, open(os.devnull, "w") as nothing:
        sys.stdout, sys.stderr = nothing, file
        code = cli.main(arguments)
        file.flush()
        os._exit(code)


def two_forked(arguments: list[str], place: Path) -> list[Any]:
    """Start two ranks; forked, or importing PyTorch would take most of the time."""
    port, fork = _port(), multiprocessing.get_context("fork")
    each = [
        fork.Process(target=_rank, args=(arguments, rank, port, place / f"errors{rank}"))
        for rank in range(2)
    ]
    for process in each:
        process.start()
    return each
