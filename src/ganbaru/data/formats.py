"""From what the user typed to data: a known set, a path, or a module of the user's own."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

from ganbaru import registry
from ganbaru.data import array_files, cifar_files, folder, idx_files, tar_archive, zip_archive
from ganbaru.data.source import Original, Progress, SplitError
from ganbaru.errors import InputError, did_you_mean, unknown

Opener = Callable[[Path, bytes, str], Original | None]

# Each looks at a path and the first bytes of its file, and answers None if it is not its own.
# CIFAR-10's batches have no mark of their own but their length, so they come after those that
# have one; the folder of pictures comes last, since any folder may be one.
FORMATS: tuple[Opener, ...] = (
    array_files.opened_npy,
    array_files.opened_npz,
    zip_archive.opened,
    idx_files.opened,
    tar_archive.opened,
    cifar_files.opened,
    folder.opened,
)
SPLITS = ("train", "test")


def find(what: str, split: str, data_dir: Path | None, progress: Progress) -> Original:
    """Find data by name, path or module; a known name comes before a folder of the same name."""
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    if what in registry.names("data"):
        module = registry.module("data", what)
        return _original(what, module.original, split, data_dir, progress)
    path = Path(what).expanduser()
    if what and path.exists():
        return open_path(path, split)
    if _is_module(what):
        make = registry.user_object(f"{what}.original")
        return _original(what, make, split, data_dir, progress)
    raise _nothing(what, path)


def open_path(path: Path, split: str) -> Original:
    """Open a file or folder by what it holds."""
    try:
        head = _head(path)
        for opener in FORMATS:
            if found := opener(path, head, split):
                return found
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    raise InputError(_not_data(path, head))


def _original(
    what: str, make: object, split: str, data_dir: Path | None, progress: Progress
) -> Original:
    try:
        found = make(split, data_dir, progress) if callable(make) else None
    except KeyError as error:
        if error.args != (split,):
            raise
        # As from a dictionary of the splits, the plainest way to write one's own.
        raise SplitError(f"{what} has no {split!r} split.") from error
    if not isinstance(found, Original):
        raise InputError(
            f"{what}.original must be a function of (split, data_dir, progress) that returns "
            f"ganbaru.data.of_arrays(name, images, ...); it gave {type(found).__name__}."
        )
    return found


def _head(path: Path) -> bytes:
    if path.is_dir():
        return b""
    with open(path, "rb") as file:
        return file.read(512)


def _is_module(what: str) -> bool:
    """Tell whether a name begins with a module or package that Python finds."""
    first = what.partition(".")[0]
    try:
        return bool(first.isidentifier() and importlib.util.find_spec(first))
    except ValueError:  # __main__ has no specification
        return False


def _nothing(what: str, path: Path) -> InputError:
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


def _not_data(path: Path, head: bytes) -> str:
    if not head:
        return f"{path} is empty. Copy or download it again."
    if _is_picture(path):
        return f"{path} is a single image; a GAN needs at least 2. Give the folder that holds them."
    begins = head[:8].hex(" ")
    advice = "Unpack it and give the folder." if head.startswith(b"\x1f\x8b") else ""
    return (
        f"{path} is in no format known here (it begins with {begins}): expected a folder or zip of "
        f"pictures, tar shards, .npz or .npy, IDX as in MNIST, or CIFAR-10 batches. {advice}"
    ).rstrip()


def _is_picture(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path):
            return True
    except Exception:  # whatever Pillow makes of it, it is no picture
        return False
