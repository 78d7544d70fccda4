"""Start-up in new processes: commands until they exit, training until its first step."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

from .interleaved import Bench, Row, Spread, Table
from .worker import ROOT

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import ganbaru": ["-c", "import ganbaru"],
    "ganbaru --help": ["-m", "ganbaru", "--help"],
    "ganbaru train --help": ["-m", "ganbaru", "train", "--help"],
    "ganbaru presets": ["-m", "ganbaru", "presets"],
}
PLAIN = "plain PyTorch to its first step"
STEP = "from bench.plain.pytorch import step; print(step(32, 1, 64, 64)(), flush=True)"


def to_end(arguments: list[str], folder: str) -> float:
    """Time a Python command from start to exit."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=ROOT)
    return time.perf_counter() - began


def to_line(arguments: list[str], pattern: str, folder: str) -> float:
    """Time a command until it prints a line with `pattern`, then kill it."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout
    found = any(re.search(pattern, line) for line in process.stdout)
    seconds = time.perf_counter() - began
    process.kill()
    process.communicate()
    if not found:
        raise RuntimeError(f"No line of {arguments} had {pattern!r}.")
    return seconds


def to_first_step(engine: str, folder: str) -> float:
    """Time `ganbaru train` until it prints the losses of its first step."""
    run = tempfile.mkdtemp(dir=folder)
    words = ["--engine", engine, "--run", f"{run}/run", "--width", "64", "--image-size", "32"]
    data = ["--data", "digits", "--batch", "64", "--log-every", "1"]
    return to_line(["-m", "ganbaru", "train", *data, *words], r"D \d+\.\d+  G \d", folder)


def timers(bench: Bench) -> dict[str, Callable[[str], float]]:
    """Return the timer of each start, a function of a folder for runs."""
    found: dict[str, Callable[[str], float]] = {
        name: partial(to_end, arguments) for name, arguments in COMMANDS.items()
    }
    if "torch" in bench.libraries:
        found[PLAIN] = partial(to_line, ["-c", STEP], "d_loss")
    for engine in bench.ours:
        found[f"ganbaru train --engine {engine} to its first step"] = partial(to_first_step, engine)
    return found


def startup(bench: Bench) -> list[Table]:
    """Time each start several times, in turns; the first one, which fills caches, is an outlier."""
    chosen = timers(bench)
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(bench.scale.starts):
            for name, timer in chosen.items():
                seconds[name].append(timer(folder))

    return [Table("Start-up, new processes", [_row(name, each) for name, each in seconds.items()])]


def _row(name: str, seconds: list[float]) -> Row:
    spread = Spread.of(seconds)
    return {"": name, "seconds": spread.middle, "quartiles": [spread.low, spread.high]}
