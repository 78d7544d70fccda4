"""Calibration of the doctor: healthy runs and planted diseases, and what it says of them.

python -m bench.doctor -o runs/doctor                      digits at width 8, 300 steps, 2 seeds
python -m bench.doctor -o runs/doctor --seeds 10 --only healthy "rates x30"
python -m bench.doctor -o runs/doctor --data mnist --steps 5000 --only healthy
python -m bench.doctor -o runs/doctor --table              of the runs that are there
python -m bench.doctor -o runs/presets --presets --images 24000   every preset at 32x32, width 16

A run that is there is not trained again, so that changed rules need no training. The table
has, for each disease, the share of runs in which the doctor names it, with its 95 % interval, the
names that it gives besides, and the median of the images until the first line with its name; for
healthy runs, the share without any finding. Below it are the ends of the numbers of healthy runs,
over all judged lines. Of presets a line each has every finding and where it first held.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ganbaru import callbacks, config, data, engines, labs, presets
from ganbaru.labs import plants
from ganbaru.labs.plants import Plant
from ganbaru.metrics import diagnosis, intervals
from ganbaru.training import run_folder, run_log

from . import gallery


@dataclasses.dataclass(frozen=True)
class Case:
    """A training: its options, what is changed in the run, and the name the doctor should give."""

    expected: str = ""
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    plant: Plant = plants.nothing
    labels: bool = False  # it needs classes
    tests: bool = False  # it needs test images


CASES = {
    "healthy": Case(),
    "healthy, relativistic": Case(options={"objective": "rsgan", "penalty": "r1"}),
    "healthy, hinge, no labels": Case(options={"objective": "hinge", "conditioning": "none"}),
    "healthy, projection": Case(options={"conditioning": "projection"}, labels=True),
    "healthy, lr 2e-4": Case(options={"lr": 2e-4}),
    "healthy, wgan-gp": Case(options={"objective": "wgan", "penalty": "wgan-gp"}),
    "rates x30": Case("learning-rate", {"lr": 3e-2}),
    "generator frozen": Case("generator-frozen", {"lr_g": 1e-8}),
    "discriminator frozen": Case("discriminator-weak", {"lr_d": 1e-8}),
    "discriminator x20, generator x0.1": Case("discriminator-strong", {"lr_d": 4e-3, "lr_g": 2e-5}),
    "labels shuffled": Case("labels", plant=plants.source(plants.shuffled), labels=True),
    "100 images": Case("overfitting", plant=plants.source(plants.few), tests=True),
    "fakes from 0 to 1": Case("value-range", plant=plants.output(lambda x: x * 0.5 + 0.5)),
    "two latents, no labels": Case(
        "mode-collapse", {"conditioning": "none"}, plant=plants.latents(plants.two)
    ),
    "one latent": Case(
        "mode-collapse", plant=plants.latents(lambda latent, *label: latent * 0 + 1)
    ),
    "fakes three times as wide": Case("value-range", plant=plants.output(lambda x: x * 3)),
    "one latent a class": Case(
        "class-collapse", plant=plants.latents(plants.by_class), labels=True
    ),
    "two latents": Case("mode-collapse", plant=plants.latents(plants.two)),
}


def preset(data: str) -> str:
    """Return the preset whose settings the runs of a set have: its own, or that for pictures."""
    return data if data in presets.PRESETS else "small"


def complete(folder: Path) -> bool:
    """Return whether a run is there, whole."""
    return (folder / "complete").exists()


def train(name: str, folder: Path, plant: Plant, options: dict[str, Any]) -> None:
    """Train a preset with a plant; a run that diverges keeps its log."""
    settings = config.from_preset(
        name, run=str(folder), overwrite=folder.exists(), log_every=1_000, **options
    )
    chosen = [callbacks.AdaptiveAugmentation(), callbacks.Log(), callbacks.Samples()]
    labs.train(settings, plant, chosen, data.silent)
    (folder / "complete").touch()


def train_case(case: Case, folder: Path, seed: int, base: dict[str, Any]) -> None:
    """Train a case on the NumPy engine."""
    options = {"sample_every": 3_000, "held_out": 250, "engine": "numpy", "seed": seed}
    train(preset(base["data"]), folder, case.plant, {**options, **base, **case.options})


def lacking(name: str) -> list[str]:
    """Return the cases that a data set has not the labels or the test images for."""
    tests = True
    try:
        data.load(name, split="test")
    except data.SplitError:
        tests = False
    labels = "conditioning" in presets.PRESETS[preset(name)].options
    return [case for case, each in CASES.items() if each.labels > labels or each.tests > tests]


def train_preset(name: str, folder: Path, images: int, seed: int, engine: str) -> None:
    """Train a preset at 32x32 and width 16; that of digits as it is."""
    own = presets.PRESETS[name].options.get("data", "")
    small = {} if name == "digits" else gallery.SMALL
    options = {"data": gallery.STAND_IN.get(own, own), "seed": seed, "engine": engine}
    options |= {**small, **dict.fromkeys(config.TOTALS), "images": images}
    options |= {"sample_every": max(3_000, images // 12), "evaluate_every": 0}
    train(name, folder, plants.nothing, options)


def judged(
    case: Case, folders: list[Path], ends: dict[str, list[float]], named: Counter[tuple[str, bool]]
) -> str:
    """Return a row of the table, from the findings at the end of each line of the logs.

    Adds the numbers of healthy runs to `ends`, and to `named` each finding and whether it is right.
    """
    right, besides, images = 0, Counter[str](), []
    for folder in folders:
        lines, history = run_log.read_log(run_folder.Folder(folder)), diagnosis.History()
        for line in lines if not case.expected else ():
            history.add(line)
            for name, value in history.numbers().items():
                ends.setdefault(name, []).append(value)
        first = {code: each.images for code, each in labs.found(folder).items()}
        named.update((code, code == case.expected) for code in first)
        besides.update(first.keys() - {case.expected})
        right += case.expected in first if case.expected else not first
        images += [first[case.expected]] if case.expected in first else []
    others = ", ".join(f"{name} {n}" for name, n in besides.items()) or "none"
    when = f"{statistics.median(images):,.0f}" if images else ""
    low, high = intervals.wilson(right / len(folders), len(folders))
    share = f"{right} of {len(folders)} ({low:.0%} to {high:.0%})"
    return f"{case.expected or 'no finding'} | {share} | {others} | {when}"


def main() -> None:
    """Read the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", required=True, type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--only", nargs="*", default=list(CASES))
    parser.add_argument("--table", action="store_true", help="train nothing")
    parser.add_argument("--presets", nargs="*", help="these presets, or all, and no diseases")
    parser.add_argument("--images", type=int, default=24_000, help="of each preset")
    parser.add_argument("--engine", default="numpy", help="for presets")
    given = parser.parse_args()
    print_presets(given) if given.presets is not None else print_cases(given)


def print_presets(given: argparse.Namespace) -> None:
    """Train the presets that are missing, and print a line of findings for each run."""
    print("| preset | seed | findings, and where they first held |\n|---|---|---|")
    for name in given.presets or presets.PRESETS:
        for seed in range(given.first, given.first + given.seeds):
            folder = given.output / f"{given.engine}-i{given.images} {name}" / str(seed)
            if not complete(folder) and not given.table:
                train_preset(name, folder, given.images, seed, given.engine)
            if complete(folder):
                held = [f"{code} at {x.images:,}" for code, x in labs.found(folder).items()]
                print(f"| `{name}` | {seed} | {', '.join(held) or 'none'} |", flush=True)


def print_cases(given: argparse.Namespace) -> None:
    """Train the cases that are missing, and print the table."""
    engines.configure_process(engines.load("numpy"))
    same = {name: getattr(given, name) for name in ("data", "width", "batch", "steps")}
    kind = "{data}-w{width}-b{batch}-s{steps}".format(**same)
    left_out = [name for name in lacking(given.data) if name in given.only]
    chosen = [name for name in given.only if name not in left_out]
    if left_out:
        print(f"{given.data} lacks classes or test images for these: {', '.join(left_out)}.\n")
    for seed in range(given.first, given.first + given.seeds) if not given.table else ():
        for name in chosen:
            folder = given.output / f"{kind} {name}" / str(seed)
            if not complete(folder):
                train_case(CASES[name], folder, seed, same)
    print("| case | expected | found | besides | images until it is named |\n|---|---|---|---|---|")
    ends: dict[str, list[float]] = {}
    named = Counter[tuple[str, bool]]()
    for place in sorted(given.output.iterdir()):
        case = CASES.get(place.name.partition(" ")[2])
        folders = [*filter(complete, place.iterdir())]
        if case and folders:
            print(f"| {place.name} | {judged(case, folders, ends, named)} |")
    print("\n| finding | certainty |\n|---|---|")
    for code in sorted({code for code, _ in named}):
        right, wrong = named[code, True], named[code, False]
        print(f"| {code} | {(right + 1) / (right + wrong + 2):.2f} |")
    print("\n| number of healthy runs | 1 % | 99 % |\n|---|---|---|")
    for name, values in ends.items():
        low, high = np.quantile(values, (0.01, 0.99))
        print(f"| {name} | {low:.3g} | {high:.3g} |")


if __name__ == "__main__":
    main()
