"""The process of one contestant: python -m bench.serve, controlled by `bench.worker`."""

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

    On Linux getrusage includes the parent's, so /proc is read first.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def timed(turn: Turn) -> Answer:
    """Run a turn and time it."""
    began, worked = time.perf_counter(), time.process_time()
    answer = turn()
    seconds, processor = time.perf_counter() - began, time.process_time() - worked
    return {"seconds": seconds, "processor": processor, **answer}


def made(function: str, settings: dict[str, Any]) -> Turn:
    """Call the function at a dotted path, ``package.module:function``."""
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)(**settings)


def serve() -> None:
    """Execute each line of input and answer with a line; at the end with the peak memory."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # since frameworks print other text
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
