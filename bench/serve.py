"""What runs in a contestant's process: python -m bench.serve, which `bench.worker` talks to."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from .worker import Answer, Turn, UnableError


def peak() -> float:
    """Return this process's peak memory in MiB.

    Linux counts its parent's in getrusage's figure, so what it tells elsewhere comes first.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def timed(turn: Turn) -> Answer:
    """Take a turn and its time."""
    began = time.perf_counter()
    told = turn()
    return {"seconds": time.perf_counter() - began, **told}


def made(function: str, settings: dict[str, Any]) -> Turn:
    """Call the function at a dotted path, ``package.module:function``."""
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)(**settings)


def serve() -> None:
    """Do what each line of input says, and answer with a line; at the end tell the peak memory."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # frameworks print what is no answer
    turn: Turn = dict
    for line in sys.stdin:
        answer: Answer = {}
        try:
            if order := line.strip():
                turn = made(**json.loads(order))
            else:
                answer = timed(turn)
        except UnableError as reason:
            answer = {"unable": str(reason)}
        print(json.dumps(answer), file=answers, flush=True)
    print(json.dumps({"peak": peak()}), file=answers, flush=True)


if __name__ == "__main__":
    serve()
