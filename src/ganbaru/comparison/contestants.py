"""The contestants: presets with options, equal in everything that they are not compared by."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganbaru import config, data
from ganbaru.coerce import shown
from ganbaru.config import Config, flag
from ganbaru.data import Progress, Source
from ganbaru.errors import InputError
from ganbaru.gan import build
from ganbaru.gan.dataset import label_names, load_data

# Fields that a tournament sets itself, the same for all.
FIXED = {
    *("preset", "seed", "run", "resume", "overwrite", "keep", "patience"),
    *("evaluate_every", "evaluate_images", *config.TOTALS),
}
FREE = tuple(field.name for field in dataclasses.fields(Config) if field.name not in FIXED)
EVALUATIONS = 10  # of a run whose length in images is known
EVALUATE_EVERY = 10_000  # images, for runs whose length is not

Fields = Mapping[str, Any]  # a preset's name under "preset", and options


def expand(entries: Sequence[Fields], vary: Mapping[str, Sequence[Any]]) -> dict[str, Fields]:
    """Return each entry with each combination of the values to vary, by name.

    The name states what differs: the preset, the value of the only option, or ``key=value`` of
    several.
    """
    for key in vary:
        if key not in FREE:
            config.kind(key)  # raises, with the near matches, if there is none
            raise InputError(f"A tournament sets {flag(key)} itself, the same for all.")
    choices = [[(key, value) for value in values] for key, values in vary.items()]
    every = [{**entry, **dict(pairs)} for entry in entries for pairs in itertools.product(*choices)]
    names = [_name(fields, every) for fields in every]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"Two contestants are the same ({name}): let them differ in an option."
            )
    return dict(zip(names, every, strict=True))


def _name(fields: Fields, every: Sequence[Fields]) -> str:
    keys = dict.fromkeys(key for one in every for key in one if key != "preset")
    differing = [key for key in keys if any(one.get(key) != every[0].get(key) for one in every)]
    options = [f"{key}={shown(fields[key])}" for key in differing if key in fields]
    if len(differing) == 1 and options:
        options = [options[0].partition("=")[2]]
    several = len({one["preset"] for one in every}) > 1
    return " ".join([str(fields["preset"])] * (several or not options) + options)


@dataclass(frozen=True)
class Budget:
    """The length of each run, in images or in seconds of training, and its evaluations."""

    images: int | None = None
    seconds: float | None = None
    evaluate_every: int | None = None  # images; None: a tenth of the run, or 10,000
    evaluate_images: int = 2000


def with_equal_budget(configs: Mapping[str, Config], budget: Budget) -> dict[str, Config]:
    """Give all contestants the same budget."""
    if len(configs) < 2:
        raise InputError(
            "A tournament needs two contestants or more: name several presets, or vary an option, "
            "such as --vary objective=hinge,rsgan."
        )
    images, seconds = budget.images, budget.seconds
    if (images is None) == (seconds is None):
        raise InputError("Give the length of each run in one of two ways: --images or --seconds.")
    default = math.ceil(images / EVALUATIONS) if images else EVALUATE_EVERY
    every = default if budget.evaluate_every is None else budget.evaluate_every
    if every < 1:
        raise InputError(f"--evaluate-every {every} is out of range: give 1 or more.")
    fixed: dict[str, Any] = {
        **dict.fromkeys(("run", "steps", "epochs")),
        **dict.fromkeys(("resume", "overwrite"), False),
        **dict.fromkeys(("seed", "patience"), 0),
        "keep": 1,
        "images": images,
        "minutes": None if seconds is None else seconds / 60,
        "evaluate_every": every,
        "evaluate_images": budget.evaluate_images,
    }
    return {
        name: dataclasses.replace(one, **fixed, log_every=min(one.log_every, every))
        for name, one in configs.items()
    }


DATA_FIELDS = (
    *("data", "data_dir", "split", "label_file", "key", "image_size", "channels", "background"),
)


def check_and_load(configs: Mapping[str, Config], progress: Progress = data.silent) -> Source:
    """Load the data of all contestants; raises InputError if they differ or an option is wrong."""
    (first, one), *others = configs.items()
    for name, other in others:
        for field in DATA_FIELDS:
            mine, theirs = getattr(one, field), getattr(other, field)
            if mine != theirs:
                raise InputError(
                    f"{first} and {name} train on different data ({flag(field)} {mine} and "
                    f"{theirs}), so their scores cannot be compared: give all the same "
                    f"{flag(field)}."
                )
    if not one.data:
        raise InputError(f"{first} trains on your own pictures: give them with --data.")
    source = load_data(one, progress)
    for each in configs.values():
        build.gan(each, source.images.shape[1:], len(label_names(each, source)))
    return source


def folder_name(name: str) -> str:
    """Return the name of a contestant's folder."""
    return re.sub(r"[^\w.=+-]+", "-", name).strip("-.") or "contestant"


def differing_fields(configs: Mapping[str, Config]) -> list[str]:
    """Return the fields in which the contestants differ."""
    every = configs.values()
    return [field for field in FREE if len({repr(getattr(one, field)) for one in every}) > 1]
