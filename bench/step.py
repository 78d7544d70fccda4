"""Time of a training step on a CPU: each engine, and code as its framework's users write it.

python -m bench.step                        64x64: width 64 in grey, width 32 in colour
python -m bench.step --engines numpy torch  only these and their plain twins

A step is one D and one G update of batch 64, non-saturating, Adam, float32, on random images in
memory, on all cores (limit them from outside, e.g. with taskset). Each contestant has a process of
its own, since our TensorFlow engine asks for deterministic operations, which plain code does not
pay for, and one framework's threads would wait for the next. The processes take turns, step by
step, so that a busy machine slows all of them. Printed are medians, peak memory, and the medians'
ratios to the plain code of the same framework (the NumPy engine's to plain PyTorch's).
"""

from __future__ import annotations

import argparse
import importlib
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from subprocess import PIPE
from typing import NamedTuple

import numpy as np

from ganbaru import data, engines, model, rules, step
from ganbaru.config import Config
from ganbaru.draw import Draw
from ganbaru.libraries import version

BATCH = 64
LATENT = 100


def ours(engine_name: str, width: int, channels: int) -> Callable[[], object]:
    """Return a function that makes one of our steps."""
    config = Config(width=width, image_size="64", channels=channels, batch=BATCH, latent=LATENT)
    shape = (64, 64, channels)
    engine = engines.load(engine_name, "cpu")
    game = rules.game(config, shape, 0)
    first = {
        group: {name: engine.from_numpy(array) for name, array in arrays.items()}
        for group, arrays in model.first_parameters(config, shape, 0).items()
    }
    images = np.random.default_rng(0).integers(0, 256, (4 * BATCH, *shape), np.uint8)
    source = data.Source("random", images, None, (), "")
    draw = Draw(source, engine, seed=0, batch=BATCH, latent=LATENT, classes=0,
                relativistic=False)  # fmt: skip
    state = step.start(game, first)
    play = engine.compile(partial(step.play, game), consumes=True)
    turn = 0

    def advance() -> None:
        nonlocal state, turn
        state, report = play(state, draw.step(turn), step.paces(game, turn, 1))
        float(report["d_loss"]), float(report["g_loss"])
        turn += 1

    return advance


def plain(framework: str, width: int, channels: int) -> Callable[[], object]:
    """Return a function that makes one step of a DCGAN as a framework's users write it."""
    return importlib.import_module(f"bench.plain.{framework}").step(width, channels, BATCH)


class Contestant(NamedTuple):
    """Who takes part: what it needs installed, how it is made, and whom it is measured against."""

    engine: str
    make: Callable[[int, int], Callable[[], object]]
    against: str


# Our NumPy engine has no twin, and is measured against what most people would take instead.
PLAIN = {"torch": "PyTorch", "tensorflow": "TensorFlow", "jax": "JAX"}
CONTESTANTS: dict[str, Contestant] = {}
for _engine, _title in PLAIN.items():
    _against = f"plain {_title}"
    _make = {_against: partial(plain, _title.lower()), f"{_engine} engine": partial(ours, _engine)}
    CONTESTANTS |= {name: Contestant(_engine, make, _against) for name, make in _make.items()}
CONTESTANTS["numpy engine"] = Contestant("numpy", partial(ours, "numpy"), "plain PyTorch")

# Width and channels; the last one is no measurement, but shows in seconds that all of this runs.
CASES = {"64x64x1, width 64": (64, 1), "64x64x3, width 32": (32, 3), "64x64x1, width 4": (4, 1)}


def serve(name: str, case: str) -> None:
    """Make a step for each line of input, and say how long it took; then the peak memory, MiB."""
    advance = CONTESTANTS[name].make(*CASES[case])
    for _ in sys.stdin:
        began = time.perf_counter()
        advance()
        print(time.perf_counter() - began, flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


class Process:
    """A contestant at work in a process of its own."""

    def __init__(self, name: str, case: str) -> None:
        command = [sys.executable, "-m", "bench.step", "--serve", name, case]
        self.process = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True)
        self.seconds: list[float] = []

    def step(self) -> float:
        """Make a step and return its seconds."""
        assert self.process.stdin and self.process.stdout
        print(file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def peak(self) -> float:
        """End it and return its peak memory in MiB."""
        return float(self.process.communicate()[0])


def compare(names: Sequence[str], case: str, rounds: int) -> dict[str, Process]:
    """Return the contestants after their steps, taken in turns, the first two to warm up."""
    found = {name: Process(name, case) for name in names}
    for turn in range(rounds + 2):
        for process in found.values():
            seconds = process.step()
            process.seconds += [seconds] if turn >= 2 else []
    return found


def show(case: str, found: dict[str, Process]) -> None:
    """Print medians, spread, the ratio of medians to the plain code's, and peak memory."""
    medians = {name: statistics.median(process.seconds) for name, process in found.items()}
    print(f"\n{case}, batch {BATCH}")
    print(f"{'':18}{'s/step':>8}{'from':>8}{'to':>8}{'images/s':>10}{'ratio':>8}{'MiB':>8}")
    for name, process in found.items():
        middle, against = medians[name], medians.get(CONTESTANTS[name].against)
        ratio = f"{middle / against:.2f}" if against else ""
        print(f"{name:18}{middle:8.3f}{min(process.seconds):8.3f}{max(process.seconds):8.3f}"
              f"{BATCH / middle:10.0f}{ratio:>8}{process.peak():8.0f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--engines", nargs="+", default=engines.available())
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES)[:2])
    parser.add_argument("--serve", nargs=2, metavar=("NAME", "CASE"), help="what a process does")
    wanted = parser.parse_args()
    if wanted.serve:
        return serve(*wanted.serve)
    here = [name for name in wanted.engines if name != "cupy"]  # which has no CPU: bench.gpu
    names = [name for name, one in CONTESTANTS.items() if one.engine in here]
    print(f"{platform.platform()}, Python {platform.python_version()}")
    # Not asked of the engines: their memory would count among that of the processes started here.
    print(", ".join(f"{name} {version(engines.LIBRARIES[name])}" for name in here))
    for case in wanted.cases:
        show(case, compare(names, case, wanted.rounds))
    return None


if __name__ == "__main__":
    main()
