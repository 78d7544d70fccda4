"""Training on several ranks: python -m bench.distributed [parity|messages|scaling|kills ...]

parity      each objective, penalty, norm and conditioning on 1, 2 and 4 ranks, float64, 20 steps
rounding    the first step of each of those in float32
messages    messages and bytes of a step that each rank sends
scaling     processor time for an image: one process, two by themselves, and two ranks
kills       a rank is killed at random moments; the run is resumed each time and at its end compared
accumulate  peak memory of a step in one batch and in micro-batches
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru import engines, ranks
from ganbaru.config import Config
from ganbaru.conformance import training_cases
from ganbaru.gan import models, step
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.gan.penalties import PENALTIES
from ganbaru.nn.conditioning import CONDITIONINGS
from ganbaru.nn.normalization import NORMS
from ganbaru.ranks import Group, processes, threads
from ganbaru.training import checkpoint

from .rank_processes import started, two_forked

LABELLED = itertools.cycle(CONDITIONINGS)
# Each objective, penalty, norm and conditioning at least once, and what reads a whole batch.
EACH: dict[str, dict[str, Any]] = {
    "_".join(str(x).replace(":", "") for x in each.values()): {
        "conditioning": next(LABELLED),
        **each,
    }
    for each in (
        *({"objective": name} for name, found in OBJECTIVES.items() if found.logits == 1),
        *({"penalty": name, "norm": "none" if "fd" in name else "batch"} for name in PENALTIES),
        *({"norm": name} for name in NORMS),
        *({"conditioning": name} for name in CONDITIONINGS),
        {"objective": "two-class", "network": "dcgan-5x5", "conditioning": "planes"},
        {"spectral_norm": "both", "penalty": "r1", "d_steps": 2, "minibatch_deviation": True},
        {"augment": "translation+rotation+scale+colour+flip", "objective": "rsgan"},
        {"share": "fakes", "order": "g-first", "optimiser": "rmsprop", "clip": 0.05},
        {"objective": "rasgan", "penalty": "r1+r2", "minibatch_deviation": True},
    )
}
STEPS = 3  # that are timed
State = dict[str, dict[str, Any]]
Trained = tuple[list[dict[str, float]], State]


def trained(
    options: dict[str, Any],
    steps: int,
    group: Group,
    engine: str = "numpy",
    side: int = 16,
    ended: Callable[[], object] = lambda: None,
) -> Trained:
    """Return the metrics of each step and the last state, as one rank of a group has them.

    `ended` is called after each step.
    """
    small = {"batch": 8, "width": 1, "latent": 6, "lr": 2e-3, "precision": "float64"}
    config = Config(**{**small, **options})
    loaded = engines.load(engine, "cpu", config.precision).over(config.devices)
    pictures = training_cases.pictures(max(40, config.batch), (side, side, 1), classes=5)
    classes = len(models.class_names(config, pictures.classes))
    first = models.initial_parameters(config, (side, side, 1), classes)
    case = training_cases.training_case(loaded, config, pictures, classes, first)
    draw = dataclasses.replace(case.draw, part=(group.rank, group.size))
    train_step = loaded.compile(functools.partial(step.train_step, case.gan), consumes=True)
    metrics = []
    for number in range(steps):
        batches, images = draw.step(number), draw.images(number)
        schedule = step.step_schedule(case.gan, number, len(batches.d), 1, number * images, images)
        with ranks.among(group):
            case.state, found = train_step(case.state, batches, schedule)
        metrics.append({name: float(x) for name, x in found.items()})
        ended()
    return metrics, case.arrays()


def apart(one: Trained, other: Trained, *names: str) -> tuple[float, float]:
    """Return the largest differences of two trainings: of metrics, all or `names`, and of state."""
    metrics = [abs(a[k] - b[k]) for a, b in zip(one[0], other[0], strict=True) for k in names or a]
    return float(max(metrics)), _apart(one[1], other[1])


def _apart(one: State, other: State) -> float:
    return max(
        float(np.abs(x - other[group][name]).max(initial=0))
        for group, tensors in one.items()
        for name, x in tensors.items()
    )


def parity(steps: int) -> None:
    print(f"| game, {steps} steps | ranks | metrics | state | ranks among each other |")
    print("|---|---|---|---|---|")
    for name, options in EACH.items():
        options = {**options, "batch": 16}  # a quarter of it is divided by 4 ranks
        alone = trained(options, steps, ranks.ALONE)
        for size in (2, 4):
            each = threads.run(size, lambda group: trained(options, steps, group))  # noqa: B023
            found = apart(alone, each[0])
            same = max(max(apart(each[0], other)) for other in each[1:])
            print(f"| {name} | {size} | {found[0]:.1e} | {found[1]:.1e} | {same:g} |", flush=True)


def rounding() -> None:
    """Compare the first step in float32: metrics relative to the larger of 1 and each, weights.

    Adam and RMSprop make a whole step of a gradient that is nothing but rounding.
    """
    print("| game, first step in float32 | ranks | metrics | weights | of them beyond 1e-5 |")
    for name, options in EACH.items():
        options = {**options, "batch": 16, "precision": "float32"}
        alone = trained(options, 1, ranks.ALONE)
        for size in (2, 4):
            found = threads.run(size, lambda group: trained(options, 1, group))[0]  # noqa: B023
            pairs = [(x, found[0][0][key]) for key, x in alone[0][0].items()]
            metrics = max(abs(a - b) / max(1, abs(a)) for a, b in pairs)
            ways = [
                np.abs(x - found[1][group][key]).ravel()
                for group, tensors in alone[1].items()
                for key, x in tensors.items()
            ]
            way = np.concatenate(ways)
            beyond = f"{(way > 1e-5).sum():,} of {way.size:,}"
            print(f"| {name} | {size} | {metrics:.1e} | {way.max():.1e} | {beyond} |", flush=True)


def messages() -> None:
    """Count what a rank sends in a step of the default network, 64x64 pictures, width 64."""
    print("| game | messages | bytes |")
    for name, options in {
        "dcgan": {},
        "dcgan, R1 and R2": {"penalty": "r1+r2"},
        "no batch norm (r3gan, R1 and R2)": {"network": "r3gan", "penalty": "r1+r2"},
    }.items():
        how = {"precision": "float32", "width": 64, "latent": 100, "batch": 4, **options}

        def count(group: Group) -> tuple[int, int]:
            trained(how, 1, group, side=64)  # noqa: B023
            return group.table.messages, group.table.bytes  # type: ignore[attr-defined]

        found = threads.run(2, count)[0]
        print(f"| {name} | {found[0]:,} | {found[1]:,} |", flush=True)


def worker(engine: str, how: str, batch: int, count: int, width: int) -> None:
    """Train three steps; print the processor time for an image of a rank, and the peak memory.

    `how` is "ranks", or "beside": processes that train by themselves at the same time.
    """
    with processes.joined() as every:
        group = every if how == "ranks" else ranks.ALONE
        options = {"precision": "float32", "width": width, "latent": 100, "accumulate": abs(count)}
        options |= {"batch": batch * group.size, "network": "dcgan" if count == 1 else "r3gan"}
        ended: list[float] = []
        trained(options, 1 + STEPS, group, engine, 64, lambda: ended.append(time.process_time()))
        each = every.gather((ended[-1] - ended[0]) / STEPS / batch)
        if every.leads:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(json.dumps([sum(each) / every.size, peak]))


def _measured(
    engine: str, size: int, how: str, batch: int, count: int = 1, width: int = 64
) -> list[float]:
    command = [sys.executable, "-m", "bench.distributed", "worker", engine, how]
    command += map(str, (batch, count, width))
    each = started(size, command, stdout=subprocess.PIPE)
    first = each[0].communicate()[0]
    assert not any(process.wait() for process in each)
    return [float(x) for x in json.loads(first.splitlines()[-1])]


def scaling(turns: int, batch: int = 16) -> None:
    """Compare one process, two that train by themselves at the same time, and two ranks.

    Each has `batch` images and one thread; the second is what the hardware allows the third.
    """
    print("| engine | ms for an image: alone | two at once | two ranks | ratios |")
    for engine in ("numpy", "torch"):
        cases = (1, "beside"), (2, "beside"), (2, "ranks")
        found = [[_measured(engine, *case, batch)[0] for case in cases] for _ in range(turns)]
        alone, beside, both = np.median(found, axis=0) * 1000
        ratios = f"{both / alone:.2f}, {both / beside:.2f}"
        print(f"| {engine} | {alone:.1f} | {beside:.1f} | {both:.1f} | {ratios} |", flush=True)


def accumulate(batch: int = 64, width: int = 8) -> None:
    """Compare a batch of r3gan (no batch norm) at 64x64 with its micro-batches: peak, numbers."""
    print("| engine | micro-batches | peak memory, MB |")
    for engine, count in itertools.product(("numpy", "torch"), (-1, 4, 16)):
        peak = _measured(engine, 1, "beside", batch, count, width)[1]
        print(f"| {engine} | {abs(count)} of {batch // abs(count)} images | {peak:.0f} |")
    options = {"network": "r3gan", "objective": "rsgan", "penalty": "r1+r2", "batch": batch}
    for precision in ("float64", "float32"):
        how = {**options, "precision": precision}
        whole, parts = (trained({**how, "accumulate": n}, 2, ranks.ALONE) for n in (1, 4))
        print(f"{precision}: apart by {max(apart(whole, parts, 'd_loss', 'g_loss')):.1e}")


def kills(times: int, most: float, seed: int = 0) -> None:
    """Kill one of two ranks, again and again, and resume the run each time; print what happened."""
    os.environ["TORCH_CPP_LOG_LEVEL"] = "ERROR"
    import torch.distributed  # noqa: F401  # before forking

    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        command = ["train", "digits", "--width", "2", "--batch", "8", "--held-out", "0"]
        command += ["--steps", str(200 * times), "--log-every", "80", "--sample-every", "100000"]
        command += ["--checkpoint-every", "40", "--seed", "1"]
        run = place / "killed"
        for number in range(times + 1):
            resume = ["--resume"] * (run / "config.yaml").exists()
            each = two_forked([*command, "--run", str(run), *resume], place)
            victim = rng.randrange(2)
            if number < times:
                each[victim].join(rng.uniform(0.2, most))
                each[victim].kill()
            began = time.monotonic()
            for process in each:
                process.join()
            seconds = time.monotonic() - began
            codes = [process.exitcode for process in each]
            text = (place / f"errors{1 - victim}").read_text().strip()
            steps = sorted((run / "checkpoints").glob("*"))
            at = steps[-1].stem.lstrip("0") if steps else "no checkpoint"
            print(f"{number}: rank {victim}, codes {codes}, {seconds:.1f} s, {at}: {text}")
        found = checkpoint.load(checkpoint.found(run / "checkpoints")[-1])[0]
        for process in two_forked([*command, "--run", str(place / "whole")], place):
            process.join()
        whole = checkpoint.load(checkpoint.found(place / "whole" / "checkpoints")[-1])[0]
        print(f"apart from an uninterrupted run: {_apart(whole, found)}")


def main() -> None:
    parser = argparse.ArgumentParser("python -m bench.distributed", description=__doc__)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--turns", type=int, default=3, help="measurements of each case")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--most", type=float, default=15.0, help="seconds until a kill, at most")
    given = parser.parse_args()
    if given.cases[:1] == ["worker"]:
        worker(*given.cases[1:3], *map(int, given.cases[3:]))
        return
    every = {
        "parity": functools.partial(parity, given.steps),
        "rounding": rounding,
        "messages": messages,
        "scaling": functools.partial(scaling, given.turns),
        "kills": functools.partial(kills, given.times, given.most),
        "accumulate": accumulate,
    }
    for name in given.cases or every:
        every[name]()


if __name__ == "__main__":
    main()
