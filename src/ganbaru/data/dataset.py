"""`Dataset`, the declaration of an image set with a name, and finding images by name or path."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganbaru import registry
from ganbaru.coerce import MODES
from ganbaru.config import Config
from ganbaru.data import hub_set
from ganbaru.data.formats import open_path, shards
from ganbaru.data.source import Original, Progress, SplitError, Want
from ganbaru.errors import InputError, unknown
from ganbaru.registry import Trust

SPLITS = ("train", "test")

_RECIPE = (
    "Declare DATASET = ganbaru.data.Dataset(name, original) in it, where original(split, data_dir, "
    "progress) returns ganbaru.data.of_arrays(name, images, ...)."
)


@dataclass(frozen=True)
class Dataset:
    """An image set: its name, how its images are found, and what is known without them."""

    name: str
    original: Callable[[str, Path | None, Progress], Original]  # SplitError for an unknown split
    shape: tuple[int, int, int] | None = None  # of an image (H, W, C); None if it is not known
    classes: tuple[str, ...] | None = None  # names by label, () without labels; None: not known
    licence: str = ""
    scored_as: str = ""  # the known set whose classifier scores each channel by itself
    scored_count: int | None = None  # images to score, where another count was published
    place: Callable[[Path | None], Path] | None = None  # of local files, read with all options

    def __post_init__(self) -> None:
        """Raise InputError unless `original` can be called and `shape` is that of an image."""
        if not callable(self.original):
            raise InputError(f"The data set {self.name} has no function 'original'. {_RECIPE}")
        if self.shape and (len(self.shape) != 3 or self.shape[2] not in MODES):
            raise InputError(
                f"The data set {self.name} has the shape {self.shape}: expected (height, width, "
                f"channels) with 1, 3 or 4 channels, such as (28, 28, 1)."
            )

    def find(self, split: str, data_dir: Path | None, progress: Progress) -> Original:
        """Find the images of a split; raises SplitError if there is no such split."""
        try:
            found: Any = self.original(split, data_dir, progress)
        except KeyError as error:
            if error.args != (split,):
                raise
            # As from a dictionary of the splits, the plainest way to write one's own.
            raise SplitError(f"{self.name} has no {split!r} split.") from error
        if not isinstance(found, Original):
            raise InputError(
                f"'original' of the data set {self.name} returned {type(found).__name__}. {_RECIPE}"
            )
        return found


def declared(what: str, trust: Trust | None) -> Dataset | None:
    """Return the data set with a known name or in a user's module; None if `what` is neither.

    A known name comes before a file or folder of the same name, and that before a module. A module
    with a function `original` and without DATASET declares a set of unknown shape and classes.
    """
    if what not in registry.names("data") and (_exists(what) or not registry.findable(what)):
        return None
    members = vars(registry.module("data", what, trust))
    found = members.get("DATASET")
    if found is None and "original" in members:
        return Dataset(what, members["original"])
    if not isinstance(found, Dataset):
        raise InputError(f"Module {what!r} declares no data set. {_RECIPE}")
    return found


def _path(what: str) -> Path:
    # Path.expanduser raises RuntimeError for an unknown user; this leaves the name as it is.
    return Path(os.path.expanduser(what))


def _exists(what: str) -> bool:
    try:
        return bool(what) and os.path.exists(_path(what))
    except ValueError:  # a null character after ~
        return False


def title(what: str) -> str:
    """Return a short name for the data at a path, without its folders and suffix."""
    if shards.is_shards(what):
        return shards.title(what)
    path = Path(os.path.abspath(_path(what)))
    return path.name if path.is_dir() else path.stem


def exists(what: str) -> bool:
    """Return whether `what` is a known set, a file or a folder, shards or a set on the hub."""
    elsewhere = what.startswith(hub_set.PREFIX) or shards.is_shards(what)
    return what in registry.names("data") or _exists(what) or elsewhere


def beside(what: str) -> list[str]:
    """List the paths with names near that of `what`, in its folder, as they would be given."""
    path = _path(what)
    listed: list[str] = []
    with suppress(OSError, ValueError):  # locked, or a null character
        listed = os.listdir(path.parent)
    folder = os.path.dirname(what.rstrip("/" + os.sep))
    close = difflib.get_close_matches(path.name[:100], listed, n=2, cutoff=0.5)
    return [os.path.join(folder, name) for name in close]


def find(
    what: str, want: Want, data_dir: Path | None, progress: Progress, trust: Trust | None
) -> Original:
    """Find images by name, path or module; a known name comes before a folder of the same name."""
    if dataset := declared(what, trust):
        if dataset.place and (want.label_file or want.key):
            return open_path(dataset.place(data_dir), want)
        if want.label_file or want.key:
            raise InputError(
                f"The set {what} has labels of its own: leave out --label-file and --key."
            )
        split = "train" if want.split == "auto" else want.split
        if split not in SPLITS:
            raise unknown("split", split, ("auto", *SPLITS))
        return dataset.find(split, data_dir, progress)
    if what.startswith(hub_set.PREFIX):
        return hub_set.open_set(what, want)
    if shards.is_shards(what):
        return shards.open_shards(what, want)
    path = _path(what)
    if not _exists(what):
        raise _not_found(what, path)
    return open_path(path, want)


def _not_found(what: str, path: Path) -> InputError:
    found = " or ".join(repr(os.path.basename(each)) for each in beside(what))
    also = f" In {path.parent} there is {found}." if found else ""
    return unknown(
        "data",
        what,
        registry.names("data"),
        f"There is no file or folder of this name either: {path.absolute()}.{also} "
        f"Give a known name, or the path of a folder, zip, npz, npy, tar, Parquet, IDX or CIFAR "
        f"file; a module of your own is found if its folder is on PYTHONPATH.",
    )


def licence_note(config: Config) -> str:
    """Return what Ganbaru's licence covers, and the licence of a known data set."""
    own = "Ganbaru is under the MIT licence, which says nothing of weights and images."
    if known := data_licence(config):
        return f"{own} The data: {known}."
    return f"{own} Look up what the data's own licence allows before you pass them on."


def data_licence(config: Config) -> str:
    """Return the licence of a known data set, "" if there is none."""
    # A module of the user's own is not imported for this: the name may be from another's file.
    known = config.data in registry.names("data")
    dataset = declared(config.data, config.trust) if known else None
    return dataset.licence or "" if dataset else ""
