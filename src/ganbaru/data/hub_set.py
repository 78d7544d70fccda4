"""Image sets on the Hugging Face hub, ``hf:user/name``, by its library `datasets`, an extra.

The library downloads them into its own cache as Arrow files, which are mapped, not read. With
$HF_HUB_OFFLINE it uses what is there.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from ganbaru.data.formats import parquet
from ganbaru.data.picture_file import brief
from ganbaru.data.source import Original, SplitError, Want
from ganbaru.errors import InputError, RunError, missing_extra

PREFIX = "hf:"
ROWS = 256  # handled at a time
SPLITS = {
    "auto": ("train",),
    "none": ("train",),
    "test": ("test", "validation"),
    "val": ("validation",),
}


def open_set(what: str, want: Want) -> Original:
    """Return a split of `hf:user/name` or `hf:user/name:CONFIGURATION`."""
    if want.label_file:
        raise InputError(f"{what} has its labels in a column: give --key IMAGES,LABELS.")
    name, _, configuration = what.removeprefix(PREFIX).partition(":")
    found, cache = _load(what, name, configuration)
    wanted = next((each for each in SPLITS.get(want.split, (want.split,)) if each in found), "")
    if not wanted and want.split == "auto" and len(found) == 1:
        wanted = next(iter(found))
    if not wanted:
        raise SplitError(f"{what} has no {want.split!r} split; it has {', '.join(found)}.")
    part = found[wanted]
    table = part.data.table
    groups = [
        parquet.Group(min(ROWS, len(table) - start), functools.partial(_column, table, start))
        for start in range(0, len(table), ROWS)
    ]
    features = part.features.to_dict()

    def read() -> Any:
        root = Path(name) if os.path.isdir(name) else cache
        return parquet.samples(what, groups, table.schema, features, want.key, root)

    return Original(
        name.rpartition("/")[2], f"{want.located(what)} {wanted}", part._fingerprint, read
    )


def _column(table: Any, start: int, column: str) -> Any:
    return table.slice(start, ROWS).column(column)


def _load(what: str, name: str, configuration: str) -> tuple[Any, Path]:
    """Return the splits of a set by name, and the library's cache."""
    try:
        import datasets
    except ImportError as error:
        needs = f"{what} is on the Hugging Face hub and is read by its library, datasets"
        raise missing_extra(needs, "datasets") from error
    try:
        home = Path(datasets.config.HF_CACHE_HOME)
        return datasets.load_dataset(name, configuration or None), home
    except (FileNotFoundError, ValueError) as error:  # no such set, or no such configuration
        raise InputError(f"Cannot load {what}: {brief(error)}. Check the name.") from error
    except Exception as error:  # of networks, disks and files
        raise RunError(
            f"Cannot load {what}: {brief(error)}. Run the command again when that is fixed; "
            f"$HF_HUB_OFFLINE=1 uses what was downloaded."
        ) from error
