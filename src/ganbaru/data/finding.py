"""Finding the images that a user names: a known set, a path, or a module of the user's own."""

from __future__ import annotations

import os
from pathlib import Path

from ganbaru import registry
from ganbaru.data.dataset import declared
from ganbaru.data.formats import open_path
from ganbaru.data.source import Original, Progress
from ganbaru.errors import InputError, did_you_mean, unknown

SPLITS = ("train", "test")


def find(what: str, split: str, data_dir: Path | None, progress: Progress) -> Original:
    """Find images by name, path or module; a known name comes before a folder of the same name."""
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    if dataset := declared(what):
        return dataset.find(split, data_dir, progress)
    path = Path(what).expanduser()
    if not what or not path.exists():
        raise _not_found(what, path)
    return open_path(path, split)


def _not_found(what: str, path: Path) -> InputError:
    beside = os.listdir(path.parent) if path.parent.is_dir() else []
    near = did_you_mean(path.name, beside)
    also = near.replace("Did you mean", f"In {path.parent} there is") if near else ""
    return unknown(
        "data",
        what,
        registry.names("data"),
        f"There is no file or folder of this name either: {path.absolute()}.{also.rstrip('?')} "
        f"Give a known name, or the path of a folder, zip, npz, npy, tar, IDX or CIFAR file; a "
        f"module of your own is found if its folder is on PYTHONPATH.",
    )
