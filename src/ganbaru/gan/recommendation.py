"""`ganbaru train PATH`: the options that suit a set of pictures, each with its reason.

The preset `BASE` has what does not depend on the pictures; `ROWS` has what depends on their size.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ganbaru import data, engines, registry
from ganbaru.config import TOTALS, Config, flag, from_fields, from_preset, merged, preset_fields
from ganbaru.data.glance import Glance, glance
from ganbaru.data.picture import cropped_share
from ganbaru.data.source import Sizes, Want
from ganbaru.engines import AUTO
from ganbaru.errors import InputError, command_line, did_you_mean
from ganbaru.presets import PRESETS

BASE = "small"
MINUTES = 20.0


class Row(NamedTuple):
    """What suits one size: widths on a CPU and on a GPU, and images between sample grids."""

    side: int  # the square root of an image's pixels
    width: int
    gpu_width: int
    grids: int


# Images per processor second of the NumPy engine in batches of 16: 178, 62, 38, 28 and 16. A grid
# then comes about once a minute on two cores.
ROWS = (
    Row(32, 32, 64, 20_000),
    Row(64, 24, 64, 5_000),
    Row(96, 20, 64, 4_000),
    Row(128, 16, 64, 3_000),
    Row(256, 8, 32, 2_000),
)
MOST, GPU_MOST = 128, 256  # sides chosen on a CPU, which sees 256x256 at a quarter of 64x64's rate
GPU_BATCH = 64  # batches of 16 leave a GPU idle
LEAST_SIDE, MOST_SIDE, MULTIPLE = 16, 256, 4  # that the networks build
LARGER = 1.1  # times its own size to which an image may be enlarged, or beyond MOST left as it is
# Part of the pictures with proportions within a tenth of the median's that makes these the set's.
SHARED, TENTH = 0.95, 1.1
LOST = 0.75  # of the median picture that a crop may drop at most: 4:1 made square

CONDITIONING = "softmax"
LEAST_IN_CLASS, MOST_CLASSES = 20, 100  # a class of fewer pictures would be memorized
GRIDS_TO_CHECKPOINT = 5
FEW_BATCHES = 4  # below so many in a pass, images are drawn with replacement


# Fields may come from a file; choosing others by the pictures imports nothing that they name.
NO_MODULE = registry.trusting("the fields given")


@dataclass(frozen=True)
class Recommendation:
    """The fields of a configuration for a set of pictures, and by topic why."""

    fields: dict[str, Any]
    reasons: dict[str, str]

    def lines(self, config: Config) -> list[str]:
        """Return a line for each topic: what `config` has, its flags, and the reason.

        The reason is that of what no flag or file replaced.
        """
        own = from_fields(self.fields, NO_MODULE)
        lines = []
        for topic, names in TOPICS.items():
            given = [flag(n) for n in names if getattr(config, n) != getattr(own, n)]
            why = [f"{', '.join(given)} as given"] if given else []
            why += [self.reasons[topic]] if len(given) < len(names) else []
            flags = ", ".join(map(flag, names))
            lines.append(f"{topic:10}{_shown(topic, config)} ({flags}): {'; else '.join(why)}")
        return lines


TOPICS = {
    "size": ("image_size",),
    "width": ("width", "engine"),
    "classes": ("conditioning",),
    "augment": ("augment",),
    "recipe": ("batch", "lr", "minutes"),
}


def _shown(topic: str, config: Config) -> str:
    length = " or ".join(f"{getattr(config, n):g} {n}" for n in TOTALS if getattr(config, n))
    height, width = config.size or (0, 0)
    return {
        "size": f"{height} high x {width} wide" if height else "the pictures' own",
        "width": f"{config.width}, network {config.network}, engine {config.engine}",
        "classes": "not used" if config.conditioning == "none" else config.conditioning,
        "augment": config.augment,
        "recipe": f"{config.objective}, batch {config.batch}, lr {config.lr:g}, {length}",
    }[topic]


def is_data(word: str) -> bool:
    """Return whether a word in a preset's place is data: a preset's name wins.

    A path that does not exist is one by its separator; raises InputError with the near matches of
    both kinds.
    """
    if word in PRESETS:
        return False
    if data.exists(word):
        return True
    beside = " or ".join(map(repr, data.beside(word)))
    also = f" Beside it there is {beside}." if beside else ""
    raise InputError(
        f"Unknown preset {word!r}.{did_you_mean(word, PRESETS)} There is no file, folder or known "
        f"data set of this name either.{also} To train on pictures, give a folder, zip or npz "
        f"file. To list presets: {command_line('presets')}"
    )


def from_pictures(path: str | Path, **options: Any) -> Config:
    """Build the configuration that suits pictures, with `options` in place of its fields."""
    given = {**options, "data": str(path)}
    return from_fields(merged(recommend(given).fields, given), None)


def configured(what: Config | str | Path, options: Mapping[str, Any]) -> Config:
    """Return a configuration, that of a preset, or that of pictures, with `options` replaced."""
    if isinstance(what, Config):
        return dataclasses.replace(what, **merged(dataclasses.asdict(what), options))
    if isinstance(what, str) and not is_data(what):
        return from_preset(what, **options)
    return from_pictures(what, **options)


def recommend(given: Mapping[str, Any]) -> Recommendation:
    """Look at the pictures of the field `data` of those that the user gave, and choose the others.

    Raises InputError for data that cannot be trained on.
    """
    base = {**preset_fields(BASE), "image_size": None, "minutes": MINUTES, "epochs": None}
    gpu = _on_gpu(from_fields(merged(base, given), NO_MODULE))
    base |= {"batch": GPU_BATCH} if gpu else {}
    config = from_fields(merged(base, given), NO_MODULE)
    folder = Path(config.data_dir) if config.data_dir else None
    want = Want(config.split, config.label_file, config.key)
    found = glance(config.data, want, folder, config.trust)
    size, why_size = _size(found, config, GPU_MOST if gpu else MOST)
    area = config.size or size
    row = min(ROWS, key=lambda row: abs(math.log(row.side / math.sqrt(area[0] * area[1]))))
    conditioning, why_classes = _conditioning(found.classes)
    fields = {
        **base,
        "image_size": f"{size[0]}x{size[1]}" if size[0] != size[1] else str(size[0]),
        "width": row.gpu_width if gpu else row.width,
        "engine": AUTO if gpu or config.engine != AUTO else engines.choose_for_long(),
        "conditioning": conditioning,
        "augment": "auto",
        "replacement": found.count < FEW_BATCHES * config.batch,
        "sample_every": row.grids,
        "checkpoint_every": GRIDS_TO_CHECKPOINT * row.grids,
    }
    narrow = "narrower for larger images, or a step would take too long"
    speed = ["for a GPU" if gpu else narrow if row.side > 64 else "fast on a CPU"]
    speed += [engines.LONG.reason] if fields["engine"] == engines.LONG.engine else []
    reasons = {
        "size": why_size,
        "width": "; ".join(speed),
        "classes": why_classes,
        "augment": "what it chooses is said below",
        "recipe": f"those of the preset {BASE}; Ctrl-C saves, --resume goes on",
    }
    return Recommendation(fields, reasons)


def _on_gpu(config: Config) -> bool:
    if "." in config.engine:  # of the user's own
        return False
    how = config.device, config.precision, config.fast
    return engines.load(config.engine, *how, trust=config.trust).device != "cpu"


def _size(found: Glance, config: Config, most: int) -> tuple[tuple[int, int], str]:
    """Return the images' height and width, and why."""
    sizes = found.sizes
    height, width = (int(side) for side in np.median(sizes, axis=0))
    own = float(np.median(np.sqrt(sizes.prod(axis=1, dtype=float))))
    same = bool((sizes == sizes[0]).all())
    built = min(sizes[0]) >= LEAST_SIDE and max(sizes[0]) <= MOST_SIDE
    of = "each" if same else "the median"
    why = f"{found.count:,} pictures, {of} {height} x {width}"
    if same and built and own <= LARGER * most:
        return (height // MULTIPLE * MULTIPLE, width // MULTIPLE * MULTIPLE), why
    side = max([row.side for row in ROWS if row.side <= min(LARGER * own, most)], default=32)
    ratio, shared = _proportion(sizes)
    size = _rounded(side, ratio if shared else 1.0)
    lost = float(np.median(cropped_share(sizes, size)))
    if config.size is None and config.fit == "crop" and lost > LOST:
        raise InputError(
            f"The pictures of {config.data} are about {height} high x {width} wide: cropping them "
            f"to {size[0]} high x {size[1]} wide, sides being from {LEAST_SIDE} to {MOST_SIDE}, "
            f"would drop {100 * lost:.0f} %. Cut them into pieces, or give --fit pad, --fit "
            f"stretch or the --image-size to crop them to."
        )
    kept = "their proportions" if shared else "square, since proportions differ"
    cost = f"; larger than {most} x {most} takes long here" * (own > LARGER * most)
    return size, f"{why}; {kept}{cost}"


def _proportion(sizes: Sizes) -> tuple[float, bool]:
    """Return the median of height over width, and whether the pictures share it."""
    ratios = sizes[:, 0] / sizes[:, 1]
    median = float(np.median(ratios))
    near = np.maximum(ratios / median, median / ratios) <= TENTH
    return median, bool(near.mean() >= SHARED)


def _rounded(side: int, ratio: float) -> tuple[int, int]:
    """Return height and width of about side² pixels with a ratio, as the networks build them."""
    exact = side * math.sqrt(ratio), side / math.sqrt(ratio)
    scale = min(1.0, MOST_SIDE / max(exact))
    height, width = (max(LEAST_SIDE, round(x * scale / MULTIPLE) * MULTIPLE) for x in exact)
    return height, width


def _conditioning(classes: Mapping[str, int]) -> tuple[str, str]:
    """Return how labels enter the networks, and why."""
    if len(classes) < 2:
        return "none", "there are no class folders or labels"
    fewest = min(classes, key=lambda name: classes[name])
    if len(classes) > MOST_CLASSES:
        return "none", f"{len(classes)} classes are more than {MOST_CLASSES}"
    if classes[fewest] < LEAST_IN_CLASS:
        return "none", (
            f"{fewest!r} has {classes[fewest]} pictures, and fewer than {LEAST_IN_CLASS} would be "
            f"memorized"
        )
    return CONDITIONING, (
        f"{len(classes)} classes of {classes[fewest]:,} to {max(classes.values()):,} pictures"
    )
