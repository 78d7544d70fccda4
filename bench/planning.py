"""Plans against the truth: what `ganbaru plan` says of a run, and what the run took.

python -m bench.planning -o runs/planning --seconds 15

Each case is planned, and then trained for the images that the plan has, each in a process of its
own. Prints seconds, memory and disk of both. The seconds are the processor's (plan and run count
the same threads), so that a machine whose load changes counts less; `--clock` takes the clock's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganbaru import callbacks, data, engines
from ganbaru.cli import options
from ganbaru.gan.step import StepMetrics
from ganbaru.planning import memory, plan, trial
from ganbaru.training import setup
from ganbaru.training.loop import loop
from ganbaru.training.run import Run

CASES = {
    "digits, numpy": ["digits"],
    "digits, torch": ["digits", "--engine", "torch"],
    "digits, jax": ["digits", "--engine", "jax"],
    "digits, tensorflow": ["digits", "--engine", "tensorflow"],
    "mnist, numpy": ["mnist"],
    "mnist, torch": ["mnist", "--engine", "torch"],
    "mnist, jax": ["mnist", "--engine", "jax"],
    "mnist, tensorflow": ["mnist", "--engine", "tensorflow"],
    "fashion-mnist, numpy": ["fashion-mnist"],
    "fashion-mnist, jax": ["fashion-mnist", "--engine", "jax"],
    "small on MNIST, numpy": ["small", "--data", "mnist", "--image-size", "32"],
    "dcgan-cats, width 8, torch": ["dcgan-cats", "--width", "8", "--engine", "torch"],
    "wgan-gp-mnist, width 8, numpy": [
        *("wgan-gp-mnist", "--width", "8", "--image-size", "32", "--engine", "numpy"),
    ],
}


class Stopwatch(callbacks.Callback):
    """Measures the loop, from its start to its last step; the last callback."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock

    def start(self, run: Run) -> None:
        self.now = self.began = self.clock()

    def step(self, run: Run, metrics: StepMetrics) -> None:
        self.now = self.clock()


def planned(
    words: list[str], seconds: float, tried_for: float, clock: Callable[[], float]
) -> dict[str, Any]:
    """Return the plan of a training that takes `seconds`, by a trial of `tried_for` seconds."""
    config = options.config("plan", "", [*words, "--minutes", str(seconds / 60)])
    tried = trial.measure(config, tried_for, data.silent, clock)
    return plan.of_trial(config, tried).to_json()


def trained(words: list[str], folder: str, clock: Callable[[], float]) -> dict[str, Any]:
    """Return what a training took."""
    config = options.config("train", "", [*words, "--run", folder, "--overwrite"])
    watch = Stopwatch(clock)
    run = setup.build(config, [*callbacks.standard(), watch])
    engines.configure_process(run.engine)
    loop(run, lambda: False)
    disk = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return {"seconds": watch.now - watch.began, "memory": memory.peak(), "disk": disk}


def child(call: str) -> dict[str, Any]:
    """Return what a call of this module returns in a process of its own."""
    code = f"import json, time; from bench import planning as p; print(json.dumps(p.{call}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Print a row for each case as it is done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", required=True, type=Path)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--trial", type=float, default=plan.SECONDS, help="seconds of the trial")
    parser.add_argument("--clock", action="store_true", help="seconds by the clock")
    parser.add_argument("--only", nargs="*", default=list(CASES))
    given = parser.parse_args()
    clock = "time.perf_counter" if given.clock else "time.process_time"
    print("| case | seconds: plan, run | MiB of memory: plan, run | MiB of disk: plan, run |")
    print("|---|---|---|---|")
    for name in given.only:
        said = child(f"planned({CASES[name]}, {given.seconds}, {given.trial}, {clock})")
        words, folder = [*CASES[name], "--images", str(said["images"])], given.output / name
        true = child(f"trained({words}, {str(folder)!r}, {clock})")
        cells = [
            f"{said[key] / scale:.3g}, {true[key] / scale:.3g} ({true[key] / said[key] - 1:+.0%})"
            for key, scale in (("seconds", 1), ("memory", 2**20), ("disk", 2**20))
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
