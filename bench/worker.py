"""A contestant in a process of its own, which takes its turn when it is told to.

Its own, since our TensorFlow engine asks for deterministic operations, which plain code does not
pay for, and since peak memory is a process's.
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
Turn = Callable[[], dict[str, float]]  # does the work once; what else there is to tell, by name


class UnableError(RuntimeError):
    """This contestant cannot take part here; its message says why."""


class Worker:
    """A process that calls functions by their dotted path, ``package.module:function``.

    `cores` is how many of the machine's it may run on; 0 is all of them.
    """

    def __init__(self, cores: int = 0) -> None:
        command = [sys.executable, "-m", "bench.serve"]
        with on_cores(cores):
            self.process = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT)
        self.function = ""

    def make(self, function: str, settings: Answer) -> None:
        """Have a function called that returns a turn; `receive` waits until it has."""
        self.function = function
        self._send(json.dumps({"function": function, "settings": settings}))

    def _send(self, line: str) -> None:
        assert self.process.stdin
        print(line, file=self.process.stdin, flush=True)

    def receive(self) -> Answer:
        """Wait for the answer; raises UnableError if the contestant cannot take part."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.function} ended with status {self.process.wait()}.")
        answer = json.loads(line)
        if "unable" in answer:
            raise UnableError(answer["unable"])
        return answer

    def turn(self) -> Answer:
        """Have it take its turn; returns `seconds` and what else it tells."""
        self._send("")
        return self.receive()

    def close(self) -> float:
        """End it and return its peak memory in MiB."""
        told, _ = self.process.communicate()
        return float(json.loads(told)["peak"]) if told else float("nan")


@contextlib.contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Let processes started inside run on so many cores; 0, or a system without a choice: all."""
    if not count or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
