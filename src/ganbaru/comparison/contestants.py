"""Who plays: presets with options, made equal in all that they are not compared by."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ganbaru import config, data
from ganbaru.coerce import shown
from ganbaru.config import Config, flag
from ganbaru.data import Progress, Source
from ganbaru.errors import InputError
from ganbaru.gan import build
from ganbaru.gan.dataset import label_names, load_data

# What a tournament sets itself, the same for all.
SET = (
    "preset", "seed", "run", "resume", "overwrite", "keep", "patience",
    "evaluate_every", "evaluate_images", *config.TOTALS,
)  # fmt: skip
FREE = tuple(field.name for field in dataclasses.fields(Config) if field.name not in SET)
MILESTONES = 10  # of a run whose length in images is known
OFTEN = 10_000  # images between two scorings of a run whose length is not

Fields = Mapping[str, Any]  # a preset's name under "preset", and options


def named(entries: Sequence[Fields], vary: Mapping[str, Sequence[Any]]) -> dict[str, Fields]:
    """Return each entry with each combination of the values to vary, by a name that tells it.

    The name is what differs: the preset, the value of the only option given, or ``key=value`` of
    several.
    """
    for key in vary:
        if key not in FREE:
            config.kind(key)  # or an error with the near matches
            raise InputError(f"A tournament sets {flag(key)} itself, the same for all.")
    choices = [[(key, value) for value in values] for key, values in vary.items()]
    every = [{**entry, **dict(pairs)} for entry in entries for pairs in itertools.product(*choices)]
    names = [_name(fields, every) for fields in every]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"Two contestants are the same ({name}): let them differ in something."
            )
    return dict(zip(names, every, strict=True))


def _name(fields: Fields, every: Sequence[Fields]) -> str:
    keys = dict.fromkeys(key for one in every for key in one if key != "preset")
    differing = [key for key in keys if any(one.get(key) != every[0].get(key) for one in every)]
    told = [f"{key}={shown(fields[key])}" for key in differing if key in fields]
    if len(differing) == 1 and told:
        told = [told[0].partition("=")[2]]
    several = len({one["preset"] for one in every}) > 1
    return " ".join([str(fields["preset"])] * (several or not told) + told)


def equal(configs: Mapping[str, Config], images: int | None, seconds: float | None,
          evaluate_every: int | None, evaluate_images: int) -> dict[str, Config]:  # fmt: skip
    """Give all contestants the same budget, in images or in seconds of training, and scorings."""
    if len(configs) < 2:
        raise InputError(
            "A tournament needs two contestants or more: name several presets, or vary an option, "
            "such as --vary objective=hinge,rsgan."
        )
    if (images is None) == (seconds is None):
        raise InputError("Say how long each run trains, in one of two ways: --images or --seconds.")
    length = math.ceil(images / MILESTONES) if images else OFTEN
    every = length if evaluate_every is None else evaluate_every
    if every < 1:
        raise InputError(f"--evaluate-every {every} is out of range: give 1 or more.")
    return {
        name: dataclasses.replace(
            one, seed=0, run=None, resume=False, overwrite=False, keep=1, patience=0, steps=None,
            epochs=None, images=images, minutes=None if seconds is None else seconds / 60,
            evaluate_every=every, evaluate_images=evaluate_images,
            log_every=min(one.log_every, every),
        )
        for name, one in configs.items()
    }  # fmt: skip


def checked(configs: Mapping[str, Config], progress: Progress = data.silent) -> Source:
    """Return the data that all train on; raises InputError if it differs or an option is wrong."""
    (first, one), *others = configs.items()
    for name, other in others:
        for field in ("data", "data_dir", "image_size", "channels"):
            mine, theirs = getattr(one, field), getattr(other, field)
            if mine != theirs:
                raise InputError(
                    f"{first} and {name} train on different data ({flag(field)} {mine} and "
                    f"{theirs}), so their scores cannot be compared: give all the same "
                    f"{flag(field)}."
                )
    if not one.data:
        raise InputError(f"{first} trains on your own pictures: say where they are with --data.")
    source = load_data(one, progress)
    for each in configs.values():
        build.gan(each, source.images.shape[1:], len(label_names(each, source)))
    return source


def slug(name: str) -> str:
    """Return a contestant's name as a folder's."""
    return re.sub(r"[^\w.=+-]+", "-", name).strip("-.") or "contestant"


def differences(configs: Mapping[str, Config]) -> Iterator[str]:
    """Name the options in which the contestants differ."""
    for field in FREE:
        if len({repr(getattr(one, field)) for one in configs.values()}) > 1:
            yield field
