"""The images and labels that a configuration names."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ganbaru import data
from ganbaru.config import Config
from ganbaru.data import Progress, Source, attributes
from ganbaru.data.attributes import Attributes
from ganbaru.errors import InputError
from ganbaru.gan import models
from ganbaru.nn.conditioning import CONDITIONINGS

# The log-softmax and the tables of scales take one class of an image, and so does a score that is
# an embedding's product alone: it would be 0 where all attributes are in the middle.
CLASSES_ALONE = frozenset(("class-norm", "embedding", "softmax"))


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
    if test.fingerprint == source.fingerprint:  # a file of test images, or the split is ignored
        return None
    return like(source, test)


def like(source: Source, test: Source) -> Source:
    """Return test images with their attributes in the ranges of the training images."""
    columns = source.attributes.columns if source.attributes else ()
    return dataclasses.replace(test, attributes=attributes.matched(test.attributes, columns))


def _load(config: Config, progress: Progress | None, **how: Any) -> Source:
    folder = Path(config.data_dir) if config.data_dir else None
    how = {"data_dir": folder, "progress": progress, "fit": config.fit, **how}
    how |= {n: getattr(config, n) for n in ("label_file", "key", "background")}
    return data.load(config.data, trust=config.trust, **how)


def label_names(config: Config, source: Source) -> tuple[str, ...]:
    """Return the names of the classes or attributes that the networks take.

    Unconditional networks take none: (). Raises InputError if the data have none.
    """
    if source.attributes:
        return _attribute_names(config, source.attributes)
    if config.conditioning != "none" and source.labels is None:
        raise InputError(
            f"--conditioning {config.conditioning} needs labels, and {source.name} has none. Put "
            f"each class in a sub-folder of its own, or take --conditioning none."
        )
    return models.class_names(config, source.classes)


def _attribute_names(config: Config, found: Attributes) -> tuple[str, ...]:
    """Return the names of attributes; raises InputError for a conditioning of classes alone."""
    if config.conditioning in CLASSES_ALONE:
        *others, last = sorted(CONDITIONINGS.keys() - CLASSES_ALONE)
        raise InputError(
            f"--conditioning {config.conditioning} is for classes, of which an image has one, and "
            f"the data have {len(found.columns)} attributes: take --conditioning "
            f"{', '.join(others)} or {last}."
        )
    if config.fake_labels != "shares":
        raise InputError(
            f"--fake-labels {config.fake_labels} is for classes: fakes' attributes are those of "
            f"random real images, so that they keep their dependence. Take --fake-labels shares."
        )
    return models.class_names(config, [column.name for column in found.columns])
