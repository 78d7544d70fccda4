"""`ganbaru plan`: time, memory and disk of a training, and what suits its data, from a trial."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ganbaru import data, nn
from ganbaru.config import Config, flag
from ganbaru.data import Progress, Source
from ganbaru.errors import InputError
from ganbaru.formatting import duration
from ganbaru.gan import auto_augmentation, recommendation
from ganbaru.planning import trial
from ganbaru.planning.memory import installed
from ganbaru.planning.trial import Trial
from ganbaru.presets import PRESETS
from ganbaru.training import checks

SECONDS = 10.0  # of real steps
SUITABLE = ("width", "batch", "augment")  # what is compared with the recommendation
READING = (
    *("data", "data_dir", "split", "label_file", "key", "fit", "range", "image_size", "channels"),
    *("device", "precision"),
)
PAGE = 4096  # what a file of the run's folder takes beside its content, at most
COMPILED = (
    "Programs were compiled here, which the run will find stored: it needs less memory than this."
)
HIGH, WIDE = 1.5, 0.9  # sides up to this factor are alike; part of the memory that may be taken


class Record(NamedTuple):
    """When a recorded run became legible (docs/results.md)."""

    drawings: bool
    side: int
    images: int
    run: str


# Runs of the presets for CPUs, by eye; MNIST by its labels, of which 98 % are obeyed. CIFAR-10 did
# not become legible within the recorded 13,968 images.
RECORDS = (
    Record(True, 16, 10_000, "digits by class"),
    Record(True, 28, 36_000, "MNIST and Fashion-MNIST by class"),
    Record(False, 64, 54_000, "cat faces, preset small"),
)


@dataclass(frozen=True)
class Plan:
    """What a training takes: `seconds` for `images`, memory and disk in bytes, and advice.

    `legible_images` is after how many images recorded runs on such sets became legible, None
    without one; `device_memory` that of a GPU. What is unknown is None.
    """

    data: str
    pictures: int
    shape: tuple[int, ...]  # height, width, channels
    classes: int
    networks: str
    parameters: tuple[int, int]
    batch: int
    augment: str
    engine: str
    seconds_per_step: float
    images_per_second: float
    images: int
    seconds: float
    memory: int | None
    device_memory: int | None
    disk: int
    legible_images: int | None
    legible_run: str
    advice: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON types."""
        return dataclasses.asdict(self)

    def lines(self) -> list[str]:
        """Return the plan as text."""
        height, width, channels = self.shape
        labels = f", {self.classes} classes" if self.classes else ""
        memory = [f"{_size(self.memory)} of this process"] if self.memory else []
        memory += [f"{_size(self.device_memory)} of the device"] if self.device_memory else []
        legible = "no run on such a set is recorded"
        if self.legible_images:
            legible = f"from about {self.legible_images:,} images on ({self.legible_run})"
        return [
            f"data      {self.data}: {self.pictures:,} images {height}x{width}x{channels}{labels}",
            f"networks  {self.networks}: generator {self.parameters[0]:,} and discriminator "
            f"{self.parameters[1]:,} parameters; batch {self.batch}, augment {self.augment}",
            f"engine    {self.engine}: {self.seconds_per_step:.3g} s a step, "
            f"{self.images_per_second:,.0f} images a second",
            f"training  {self.images:,} images take {duration(self.seconds)}",
            f"legible   {legible}",
            f"memory    {' and '.join(memory) or 'unknown on this system'} at its peak",
            f"disk      {_size(self.disk)} for the run's folder",
            *(f"advice    {each}" for each in self.advice),
            *(f"note      {each}" for each in self.notes),
        ]


def plan(
    what: Config | str | Path = "digits",
    *,
    seconds: float | None = None,
    progress: Progress | bool = True,
    **options: Any,
) -> Plan:
    """Plan the training of ``train(what, **options)`` by `seconds` (10) of its real steps.

    `what` is a configuration, a preset's name, or a path to pictures. With ``minutes=M`` the plan
    says how many images fit into them. Nothing is written but the cache of decoded images. The
    memory is the peak of this process, so what it has used before counts. Raises InputError for
    what cannot be trained, such as a set or a device that does not exist.
    """
    seconds = SECONDS if seconds is None else seconds
    if not 0 < seconds <= 3600:
        raise InputError(f"seconds is {seconds:g}: give a number above 0 and at most 3600.")
    config = recommendation.configured(what, options)
    checks.check_options(config)
    with data.shown(progress) as shown:
        return of_trial(config, trial.measure(config, seconds, shown))


def of_trial(config: Config, tried: Trial) -> Plan:
    """Return the plan that follows from a trial's figures."""
    run, pace = tried.run, tried.pace
    source, counted = run.source, len(run.source.images)
    images, seconds = _total(config, pace, counted)
    record = legible(source)
    return Plan(
        source.name,
        counted,
        tuple(source.images.shape[1:]),
        len(run.classes),
        f"{config.network}, width {config.width}",
        (
            nn.parameter_count(run.state["generator"]),
            nn.parameter_count(run.state["discriminator"]),
        ),
        config.batch,
        run.config.augment,
        f"{run.engine.describe()}, {run.engine.precision}",
        pace.step,
        pace.images_per_second,
        images,
        seconds,
        tried.memory,
        tried.device_memory,
        _disk(config, tried, images),
        record.images if record else None,
        record.run if record else "",
        _advice(config, tried, images, record),
        [*run.notes, *_left_out(config), *([COMPILED] if tried.compiled else [])],
    )


def _total(config: Config, pace: trial.Pace, count: int) -> tuple[int, float]:
    """Return the images and the seconds at which the first of the run's totals is reached."""
    each = {"images": 1.0, "steps": pace.batch, "epochs": count}
    given = [
        getattr(config, name) * factor for name, factor in each.items() if getattr(config, name)
    ]
    if config.minutes:
        given.append(pace.images(60 * config.minutes))
    images = int(min(given))
    return images, pace.seconds(images)


def _disk(config: Config, tried: Trial, images: int) -> int:
    """Return the bytes of the run's folder at the end."""
    checkpoints = min(config.keep, images // config.checkpoint_every + 1)
    checkpoints += bool(config.evaluate_every)  # best.safetensors
    grids, lines = (images // n + 2 for n in (config.sample_every, config.log_every))
    files = tried.checkpoint * checkpoints + (tried.grid + PAGE) * grids
    return files + tried.line * lines + tried.rest


def legible(source: Source) -> Record | None:
    """Return the record of the set that is most like this one: its kind, and its size."""
    height, width = source.images.shape[1:3]
    side, kind = (height * width) ** 0.5, auto_augmentation.drawn(source.images)
    alike = [each for each in RECORDS if each.drawings == kind]
    alike = [each for each in alike if max(side / each.side, each.side / side) <= HIGH]
    return min(alike, key=lambda each: abs(each.side - side), default=None)


def _advice(config: Config, tried: Trial, images: int, record: Record | None) -> list[str]:
    """Return what to change: for the data, for the budget and for the machine."""
    found = _fitting(config, tried.run.engine.name)
    if not images:
        found.append(f"the first step takes {duration(tried.pace.first)}: give more --minutes")
    elif record and images < record.images:
        minutes = tried.pace.seconds(record.images) / 60
        found.append(
            f"{images:,} images are fewer than that: give --minutes {minutes:.2g}, or a --width "
            f"below {config.width}"
        )
    memory = installed()
    if tried.memory and memory and tried.memory > WIDE * memory:
        found.append(f"this machine has {_size(memory)}: give a --batch below {config.batch}")
    return found


def _fitting(config: Config, engine: str) -> list[str]:
    """Return what `train PATH` would choose for the data, unless a preset was made for them."""
    preset = PRESETS.get(config.preset)
    if preset and preset.options["data"] == config.data:
        return []
    given = {name: getattr(config, name) for name in READING} | {"engine": engine}
    own = recommendation.recommend(given).fields
    other = [f"{flag(name)} {own[name]}" for name in SUITABLE if getattr(config, name) != own[name]]
    return [f"for such pictures, train PATH chooses {' '.join(other)}"] if other else []


def _left_out(config: Config) -> list[str]:
    if not config.evaluate_every:
        return []
    return ["The time and the memory of scores (--evaluate-every) are not part of the plan."]


def _size(count: int) -> str:
    """Return bytes as text."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
