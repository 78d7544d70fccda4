"""A contestant in its own process, which runs one turn per request.

Its own process, since our TensorFlow engine enables deterministic operations, which would slow
plain code, and since peak memory is measured per process.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
Answer = dict[str, Any]
Turn = Callable[[], dict[str, float]]  # does the work once and returns further measurements


class UnableError(RuntimeError):
    """A contestant cannot run here; the message says why."""


class Worker:
    """A process that calls functions by their dotted path, ``package.module:function``.

    `cores` is the number of cores it may use; 0 is all of them.
    """

    def __init__(self, cores: int = 0) -> None:
        command = [sys.executable, "-m", "bench.serve"]
        with on_cores(cores):
            self.process = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT)
        self.function = ""

    def make(self, function: str, settings: Answer) -> None:
        """Call a function that returns a turn; `receive` waits for it."""
        self.function = function
        self._send(json.dumps({"function": function, "settings": settings}))

    def _send(self, line: str) -> None:
        assert self.process.stdin
        print(line, file=self.process.stdin, flush=True)

    def receive(self) -> Answer:
        """Wait for the answer; raises UnableError if the contestant cannot run."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.function} ended with status {self.process.wait()}.")
        answer = json.loads(line)
        if "unable" in answer:
            raise UnableError(answer["unable"])
        return answer

    def turn(self) -> Answer:
        """Run a turn; returns `seconds` and its other measurements."""
        self._send("")
        return self.receive()

    def close(self) -> float:
        """Stop the process and return its peak memory in MiB."""
        answer, _ = self.process.communicate()
        return float(json.loads(answer)["peak"]) if answer else float("nan")


@contextlib.contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Limit processes started inside to `count` cores; 0 means all (as on some systems)."""
    if not count or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
