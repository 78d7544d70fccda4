"""Contestants on pictures at equal processor time: what a change of the preset `small` brings.

python -m bench.pictures -o runs/pictures --images 12000                 all named ones, seed 0
python -m bench.pictures -o runs/pictures base small 'mine={batch: 32, lr: 5.0e-4}' --seeds 3
python -m bench.pictures -o runs/pictures                                again: runs are reused
python -m bench.pictures -o runs/few small augmented --few 300 --images 20000 --seeds 3

Every contestant gets the processor time that the first one needs for --images. On a shared machine
neither a clock nor the processor's own is steady, so the cost of an image is measured in turns (one
step each, the median of the ratios over --rounds), and a run ends after a number of images: those
of the first contestant, divided by the ratio. A contestant is a name of CONTESTANTS or
NAME={options}, changes of BASE.

Scores are the kernel distance and MIND of 2,000 images by EfficientNet's features against
4,000 reals, of the run's average and of others taken in the same run (power functions of relative
width 0.05 to 0.25, Karras et al. 2024, and the last weights). `power` is that at
the frequencies of a checkerboard (periods of 2 and 4 pixels) relative to reals, and `excess` that
relative to frequencies near them too: the largest of eight. Reals have up to 1.2 of either.

With --few N, runs are trained on N images by chance, the same for all, and scored against others of
the set. `copies` is then the copy rate of `ganbaru authenticity`, in %.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ganbaru import config, engines, files, randomness
from ganbaru.callbacks import AdaptiveAugmentation
from ganbaru.gan import build, ema, models, step
from ganbaru.gan.batches import BatchSampler
from ganbaru.gan.dataset import label_names, load_data
from ganbaru.gan.step import State, StepMetrics
from ganbaru.metrics import memorization
from ganbaru.sampling import generators, image_io
from ganbaru.training import setup
from ganbaru.training.loop import loop
from ganbaru.training.run import Callback, Run

from . import reporting
from .picture_scores import Judge

Options = dict[str, Any]
Result = dict[str, Any]

# The preset `small` as it was, with the best of its flags then: what changes are measured against.
BASE: Options = {"network": "dcgan", "width": 32, "batch": 64, "latent": 64, "objective": "rsgan",
                 "lr": 1e-3, "betas": (0.0, 0.99)}  # fmt: skip
FAST: Options = {"batch": 16, "lr": 2e-3}
CLEAN: Options = {**FAST, "network": "dcgan-filtered"}
FINITE = "fd-r1:gamma=0.5+fd-r2:gamma=0.5"
SMALL: Options = {**CLEAN, "lr": 1e-3, "width": 24}  # the preset as it is now
CONTESTANTS: dict[str, Options] = {
    "base": {},
    "small": SMALL,
    "augmented": {**SMALL, "augment": "auto"},
    "batch 16": {"batch": 16},
    "batch 16, half the rate": {"batch": 16, "lr": 5e-4},
    "batch 8": {"batch": 8},
    "fast": FAST,
    "fast, beta1 0.5": {**FAST, "betas": (0.5, 0.99)},
    "clean": CLEAN,
    "clean, width 24": {**CLEAN, "width": 24},
    "clean, twice the rate": {**CLEAN, "lr": 4e-3},
    "clean, decreasing rate": {**CLEAN, "schedule": "linear"},
    "clean, rasgan": {**CLEAN, "objective": "rasgan"},
    "clean, latent 100": {**CLEAN, "latent": 100},
    "clean, layer norm, penalties": {**CLEAN, "norm": "layer", "penalty": FINITE},
    "clean, he": {**CLEAN, "initialisation": "he"},
    "clean, orthogonal": {**CLEAN, "initialisation": "orthogonal"},
    "clean, half the rate of G": {**CLEAN, "lr_g": 1e-3},
    "clean, half the rate of D": {**CLEAN, "lr_d": 1e-3},
    "clean, beta2 0.9": {**CLEAN, "betas": (0.0, 0.9)},
}
FIRST_SEED, FAKES = 1_000_000, "fakes.npy"  # of the scored images
WIDTHS = {"0.05": 17.0, "0.10": 6.94, "0.15": 3.56, "0.20": 1.83, "0.25": 0.71}  # and exponents


def contestant(text: str) -> tuple[str, Options]:
    """Parse NAME or NAME={options}."""
    name, _, options = text.partition("=")
    if not options and name not in CONTESTANTS:
        raise argparse.ArgumentTypeError(
            f"unknown contestant {name!r}: choose from {', '.join(CONTESTANTS)}, or give "
            f"NAME={{options}}"
        )
    return name, yaml.safe_load(options) if options else CONTESTANTS[name]


def configured(data: str, options: Mapping[str, Any], **more: Any) -> config.Config:
    """Return the configuration of a contestant on a data set."""
    return config.from_preset("small", **{"data": data, **BASE, **options, **more})


# --- cost -------------------------------------------------------------------------------------


def _steps(settings: config.Config) -> Iterator[float]:
    """Yield the processor seconds for an image of one step after another."""
    engine, source = engines.load("numpy"), load_data(settings)
    shape, count = source.images.shape[1:], len(label_names(settings, source))
    gan = build.gan(settings, shape, count)
    sampler = BatchSampler(settings, source, engine, gan, count)
    state = step.start(
        gan, setup.to_engine(engine, models.initial_parameters(settings, shape, count))
    )
    for number in range(10**9):
        began = time.process_time()
        batches = sampler.step(number)
        schedule = step.step_schedule(gan, number, len(batches.d))
        state, _ = step.train_step(gan, state, batches, schedule)
        yield (time.process_time() - began) / batches.images


def costs(settings: Mapping[str, config.Config], rounds: int) -> dict[str, float]:
    """Return what an image costs each contestant, relative to the first; measured in turns."""
    first = next(iter(settings))
    if len(settings) == 1 or not rounds:
        return dict.fromkeys(settings, 1.0)
    running = {name: _steps(one) for name, one in settings.items()}
    found: dict[str, list[float]] = {name: [] for name in settings}
    for i in range(rounds + 1):
        each = {name: next(steps) for name, steps in running.items()}
        if i:  # the first steps allocate
            for name, seconds in each.items():
                found[name].append(seconds / each[first])
    return {name: statistics.median(ratios) for name, ratios in found.items()}


# --- runs -------------------------------------------------------------------------------------


class Averages(Callback):
    """Averages of G of several widths beside the run's own, and the run's processor seconds."""

    def __init__(self) -> None:
        self.kept: dict[str, State] = {}
        self.seconds, self._last = 0.0, 0.0

    def start(self, run: Run) -> None:
        """Begin with copies of the first weights."""
        groups = {"ema": "generator", "ema_buffers": "generator_buffers"}
        self.kept = {
            name: {to: {n: x * 1.0 for n, x in run.state[of].items()} for to, of in groups.items()}
            for name in WIDTHS
        }
        self._last = time.process_time()

    def step(self, run: Run, metrics: StepMetrics) -> None:
        """Move each average by a power function's decay, (1 - 1/t)^(exponent + 1)."""
        self.seconds += time.process_time() - self._last
        for name, exponent in WIDTHS.items():
            decay = (1 - 1 / run.step) ** (exponent + 1)
            for to, of in (("ema", "generator"), ("ema_buffers", "generator_buffers")):
                kept = self.kept[name]
                kept[to] = ema.move_towards(kept[to], run.state[of], decay)
        self._last = time.process_time()

    def variants(self, run: Run) -> dict[str, State]:
        """Return what may stand for G: the run's average, the others, and the last weights."""
        last = {"ema": run.state["generator"], "ema_buffers": run.state["generator_buffers"]}
        own = {name: run.state[name] for name in last}
        return {"own": own, **self.kept, "last": last}


def fakes(run: Run, state: State, count: int) -> np.ndarray:
    """Return the images that are scored, made by a state's average."""
    before, run.state = run.state, {**run.state, **state}
    try:
        generator = generators.from_run(run)
        images: np.ndarray = generator.sample(count, FIRST_SEED)
    finally:
        run.state = before
    return images


def trained(settings: config.Config, judge: Judge, count: int, scored: Sequence[str]) -> Result:
    """Train a run and score `count` images of each of the averages `scored`."""
    folder, averages = Path(str(settings.run)), Averages()
    run = setup.build(settings, [AdaptiveAugmentation(), averages])
    loop(run, lambda: False)
    found = {}
    for name, state in averages.variants(run).items():
        np.savez(
            folder / f"{name}.npz", **{f"{g}/{n}": x for g in state for n, x in state[g].items()}
        )
        if name not in scored:
            continue
        images = fakes(run, state, count)
        found[name] = judge.scores(images)
        if name == "own":
            np.save(folder / FAKES, images)
            image_io.save_png(folder / "grid.png", image_io.enlarge(image_io.grid(images[:64], 8)))
    best = min(found, key=lambda name: found[name]["kid"])
    return {"images": run.images, "steps": run.step, "seconds": averages.seconds, "best": best,
            "variants": found}  # fmt: skip


def copies(folder: Path, trained_on: str) -> float:
    """Return the copy rate of the images that `trained` left in a folder, in %."""
    images = np.load(folder / FAKES)[:1000]
    of = memorization.authenticity(images, trained_on, output=folder, progress=False).copying
    return 100 * of.rate


class Task:
    """What runs are trained on, and what they are scored against."""

    def __init__(self, name: str, few: int, folder: Path) -> None:
        """Write `few` images of a set into the folder, if it isn't 0."""
        self.folder, self.data, self.few = folder, name, few
        self.source = load_data(configured(name, {}))
        self.chosen = randomness.permutation(0, "few images", 0, len(self.source.images))[:few]
        if few:
            self.data = str(folder / f"few-{few}.npz")
            np.savez(self.data, images=self.source.images[self.chosen])

    def result(self, settings: config.Config, count: int, scored: Sequence[str]) -> Result:
        """Train a run and return its scores."""
        judge = Judge(self.source, self.folder, self.chosen.tolist())
        found = trained(settings, judge, count, scored)
        if self.few:
            found["copies"] = copies(Path(str(settings.run)), self.data)
        return found


def table(results: Mapping[str, Sequence[Result]], relative: Mapping[str, float]) -> str:
    """Return Markdown: medians over seeds with minimum and maximum."""
    titles = ["contestant", "seeds", "cost of an image", "images", "KID", "MIND", "power", "excess",
              "best average", "its KID", "copies"]  # fmt: skip
    rows = []
    spread = reporting.spread
    for name, of in results.items():
        own = [one["variants"]["own"] for one in of]
        best = [one["variants"][one["best"]]["kid"] for one in of]
        rows.append([
            name, str(len(of)), f"{relative[name]:.2f}", f"{of[0]['images']:,}",
            *(spread([one[key] for one in own]) for key in ("kid", "mind", "power", "excess")),
            ", ".join(one["best"] for one in of), spread(best),
            spread([one["copies"] for one in of]) if "copies" in of[0] else "",
        ])  # fmt: skip
    return reporting.grid(titles, rows)


def parser(description: str | None, parse: Callable[[str], Any]) -> argparse.ArgumentParser:
    """Return a parser of what comparisons of pictures share; `parse` reads a contestant."""
    found = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("contestants", nargs="*", type=parse, metavar="CONTESTANT")
    found.add_argument("-o", "--output", required=True, type=Path, help="the folder for runs")
    found.add_argument("--data", default="cat-faces")
    found.add_argument("--seeds", type=int, default=1)
    found.add_argument("--fakes", type=int, default=2_000, help="images that are scored")
    return found


def compare(
    names: Iterable[str],
    seeds: int,
    folder: Path,
    result: Callable[[str, int, Path], Result],
    table: Callable[[Mapping[str, Sequence[Result]]], str],
) -> None:
    """Get ``result(name, seed, run)`` where a run has none yet; print the table after each run."""
    results: dict[str, list[Result]] = {}
    for seed, name in itertools.product(range(seeds), names):
        run = folder / f"{name.replace(' ', '-')}-{seed}"
        path = run / "result.json"
        if not path.exists():
            made = result(name, seed, run)
            files.write_text(path, json.dumps(made))
        results.setdefault(name, []).append(json.loads(path.read_text(encoding="utf-8")))
        print(table(results), flush=True)


def main() -> None:
    """Measure costs, train and score what is missing, print the table."""
    found = parser(__doc__, contestant)
    found.add_argument("--few", type=int, default=0, help="train on so many images; 0: on all")
    found.add_argument("--images", type=int, default=9_500, help="of the first contestant")
    found.add_argument("--averages", nargs="+", default=["own", *WIDTHS, "last"])
    found.add_argument(
        "--rounds", type=int, default=5, help="steps in which cost is measured; 0: all see --images"
    )
    wanted = found.parse_args()
    chosen = dict(wanted.contestants) or CONTESTANTS
    engines.configure_process(engines.load("numpy"))
    wanted.output.mkdir(parents=True, exist_ok=True)
    task = Task(wanted.data, wanted.few, wanted.output)
    relative = costs({n: configured(task.data, o) for n, o in chosen.items()}, wanted.rounds)

    def result(name: str, seed: int, run: Path) -> Result:
        settings = configured(
            task.data, chosen[name], seed=seed, run=str(run), overwrite=True, engine="numpy",
            held_out=0, images=round(wanted.images / relative[name]),
        )  # fmt: skip
        return task.result(settings, wanted.fakes, wanted.averages)

    in_table = functools.partial(table, relative=relative)
    compare(chosen, wanted.seeds, wanted.output, result, in_table)


if __name__ == "__main__":
    main()
