"""Labs: each provokes a disease of training on the digits, lets the doctor find it, and cures it.

ganbaru lab                 lists them
ganbaru lab collapse        takes less than a minute on a quiet machine
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganbaru import callbacks, engines
from ganbaru.config import Config, from_file, from_preset, load_yaml
from ganbaru.data import Progress, shown
from ganbaru.errors import DivergedError, pick
from ganbaru.labs import plants
from ganbaru.labs.plants import Plant
from ganbaru.metrics.diagnosis import Finding, History
from ganbaru.training import run_folder, setup
from ganbaru.training.loop import loop
from ganbaru.training.run import Callback
from ganbaru.training.run_log import read_log

# Of each run: 9,600 images in some 5 s of the processor, the smallest that doctor.md calibrates.
SMALL: dict[str, Any] = {"width": 8, "batch": 32, "steps": 300, "engine": "numpy"}
SMALL |= {"log_every": 1_000, "sample_every": 3_000, "held_out": 250}


@dataclass(frozen=True)
class Lab:
    """A disease: what provokes it (options, and a change of the run), and the cure.

    `code` is the doctor's name of it. The cured run has the options `cured` in place of `options`,
    and no change; `both` replaces options of `SMALL`.
    """

    code: str
    cause: str
    cure: str
    options: dict[str, Any] = field(default_factory=dict)
    plant: Plant = plants.nothing
    cured: dict[str, Any] = field(default_factory=dict)
    both: dict[str, Any] = field(default_factory=dict)


LABS = {
    "collapse": Lab(
        "mode-collapse",
        "G receives one of two latents, the sign of one number",
        "G receives whole latents",
        plant=plants.latents(plants.two),
    ),
    "class-collapse": Lab(
        "class-collapse",
        "G receives a latent that depends on the label alone: one image a class",
        "G receives random latents",
        plant=plants.latents(plants.by_class),
        both={"steps": 400},  # with 300 G has not moved far enough to be judged, with some seeds
    ),
    "d-wins": Lab(
        "discriminator-strong",
        "D learns 200 times as fast as G",
        "equal rates",
        {"lr_d": 4e-3, "lr_g": 2e-5},
    ),
    "d-loses": Lab("discriminator-weak", "D's rate is 1e-8", "equal rates", {"lr_d": 1e-8}),
    "no-learning": Lab("generator-frozen", "G's rate is 1e-8", "equal rates", {"lr_g": 1e-8}),
    "high-rate": Lab("learning-rate", "both rates are 0.03", "the preset's rates", {"lr": 3e-2}),
    "divergence": Lab("divergence", "both rates are 1e20", "the preset's rates", {"lr": 1e20}),
    "overfitting": Lab(
        "overfitting",
        f"D sees {plants.FEW} images again and again",
        "all images",
        plant=plants.source(plants.few),
    ),
    "labels": Lab(
        "labels",
        "each image has the label of another",
        "the right labels",
        plant=plants.source(plants.shuffled),
    ),
    "range": Lab(
        "value-range",
        "G ends in a sigmoid: fakes have values from 0 to 1, reals from -1 to 1",
        "G ends in tanh",
        plant=plants.output(lambda x: x * 0.5 + 0.5),
    ),
}


@dataclass(frozen=True)
class Result:
    """What a lab found: the findings on the sick run by the time of each, and on the cured one."""

    name: str
    lab: Lab
    folder: Path
    found: dict[str, Finding]
    cured: dict[str, Finding]

    @property
    def passed(self) -> bool:
        """Whether the doctor named the disease, and found nothing after the cure."""
        return self.lab.code in self.found and not self.cured

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON types."""
        return {
            "lab": self.name,
            "code": self.lab.code,
            "passed": self.passed,
            "sick": [each.to_json() for each in self.found.values()],
            "cured": [each.to_json() for each in self.cured.values()],
            "folder": str(self.folder),
        }

    def lines(self) -> list[str]:
        """Return the lab as text."""
        named = self.found.get(self.lab.code)
        other = [each for code, each in self.found.items() if code != self.lab.code]
        return [
            f"{self.name}: {self.lab.cause}{_flags(self.lab.options)}.",
            *([f"  at {named.images:,} images: {named.sentence()}"] if named else []),
            *(f"  also at {each.images:,} images: {each.text} ({each.code})." for each in other),
            f"  See {self.folder / 'sick' / 'report.html'} and {_page(self.lab)}.",
            f"Cure: {self.lab.cure}.",
            *(
                f"  at {each.images:,} images: {each.text} ({each.code})."
                for each in self.cured.values()
            ),
            f"  See {self.folder / 'cured' / 'report.html'}.",
            f"Check: {self.lab.code} named, and nothing found after the cure: "
            f"{'passed' if self.passed else 'not passed'}.",
        ]


def _flags(options: dict[str, Any]) -> str:
    given = " ".join(f"--{name.replace('_', '-')} {value:g}" for name, value in options.items())
    return f" ({given})" if given else ""


def _page(lab: Lab) -> str:
    return f"docs/failures.md#{lab.code}"


def lab(
    name: str,
    folder: str | Path | None = None,
    *,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | bool = True,
    **options: Any,
) -> Result:
    """Provoke a disease on the digits, let the doctor examine the run, and train the cured one.

    `name` is one of `LABS`. The two runs are ``sick`` and ``cured`` in `folder`, by default
    runs/lab-NAME, where they replace those of before; elsewhere only with `overwrite`. `options`
    replace fields of both. Raises InputError for an unknown name, and for a folder that holds
    something else.
    """
    chosen, place = pick("lab", name, LABS), Path(folder or run_folder.RUNS / f"lab-{name}")
    common = {**SMALL, **chosen.both, "seed": seed, **options}
    with shown(progress) as report:
        sick = {**common, **chosen.options}
        over = overwrite or folder is None
        found = _train(place / "sick", sick, chosen.plant, report, over)
        cured = _train(place / "cured", {**common, **chosen.cured}, plants.nothing, report, over)
    return Result(name, chosen, place, found, cured)


def _train(
    folder: Path, options: dict[str, Any], plant: Plant, progress: Progress, overwrite: bool
) -> dict[str, Finding]:
    """Train and return the findings, each when it first held."""
    config = from_preset(
        "digits", **options, run=str(folder), overwrite=overwrite and folder.exists()
    )
    train(config, plant, callbacks.standard(), progress)
    return found(folder)


def train(config: Config, plant: Plant, chosen: Sequence[Callback], progress: Progress) -> None:
    """Train with something planted; a run that diverges ends there, with its log."""
    run = setup.build(config, [plants.Planted(plant), *chosen], progress)
    engines.configure_process(run.engine)
    with contextlib.suppress(DivergedError):
        loop(run, lambda: False)


def found(folder: Path) -> dict[str, Finding]:
    """Return the doctor's findings by name, each as it was at the first line where it held.

    Of the configuration in the folder, which has what the run chose, such as its augmentation.
    """
    run, history, first = run_folder.Folder(folder), History(), dict[str, Finding]()
    config = from_file(load_yaml(run.config), run.config)
    for line in read_log(run):
        history.add(line)
        for each in history.diagnosis(config).findings:
            first.setdefault(each.code, each)
    return first
