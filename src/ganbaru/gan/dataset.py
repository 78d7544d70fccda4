"""The images and labels that a configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganbaru import data
from ganbaru.config import Config
from ganbaru.data import Progress, Source
from ganbaru.errors import InputError
from ganbaru.gan import models


def load_data(config: Config, progress: Progress | None = None) -> Source:
    """Load the training images of a configuration."""
    how: dict[str, Any] = {"image_size": config.size, "channels": config.channels}
    return _load(config, progress, value_range=config.range, split=config.split, **how)


def load_test_data(config: Config, source: Source, progress: Progress | None) -> Source | None:
    """Load the test images as the training images `source`; None if there are none.

    They get the same shape, and the same values become black and white.
    """
    if config.split == "none":
        return None
    height, width, channels = source.images.shape[1:]
    try:
        how: dict[str, Any] = {"image_size": (height, width), "channels": channels}
        how["value_range"] = source.black_white or None
        test = _load(config, progress, split="test", **how)
    except data.SplitError:
        return None
    # A file of test images, or a module that ignores the split, gives the training images again.
    return None if test.fingerprint == source.fingerprint else test


def _load(config: Config, progress: Progress | None, **how: Any) -> Source:
    folder = Path(config.data_dir) if config.data_dir else None
    how = {"data_dir": folder, "progress": progress, "fit": config.fit, **how}
    how |= {n: getattr(config, n) for n in ("label_file", "key", "background")}
    return data.load(config.data, trust=config.trust, **how)


def label_names(config: Config, source: Source) -> tuple[str, ...]:
    """Return the names of the labels that the networks take; raises InputError if there are none.

    Unconditional networks take none: ().
    """
    if config.conditioning != "none" and source.labels is None:
        raise InputError(
            f"--conditioning {config.conditioning} needs labels, and {source.name} has none. Put "
            f"each class in a sub-folder of its own, or take --conditioning none."
        )
    return models.class_names(config, source.classes)
