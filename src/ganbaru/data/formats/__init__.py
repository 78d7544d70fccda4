"""File formats: each module recognises one by a path and the first bytes of its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ganbaru.data import claims
from ganbaru.data.formats import (
    archives,
    cifar,
    folder,
    hdf5_matlab,
    idx,
    numpy_files,
    parquet,
    stl10,
)
from ganbaru.data.picture_file import open_picture
from ganbaru.data.source import Original, Want
from ganbaru.errors import InputError

# Returns None for other formats; raises SplitError where the split is missing.
Recognizer = Callable[[Path, bytes, Want], Original | None]


@dataclass(frozen=True)
class Format:
    """A format of image sets."""

    recognize: Recognizer
    label_file: bool = False  # whether --label-file means something to it
    key: bool = False


# CIFAR's archive is any gzip file until it is unpacked, so it comes after those that have a
# mark of their own; the folder of pictures comes last, since any folder may be one.
FORMATS = (
    Format(numpy_files.recognize_npy),
    Format(numpy_files.recognize_npz, key=True),
    Format(hdf5_matlab.recognize, key=True),
    Format(archives.recognize_zip, label_file=True),
    Format(parquet.recognize, key=True),
    Format(idx.recognize, key=True),
    Format(archives.recognize_tar, label_file=True),
    Format(cifar.recognize, key=True),
    Format(stl10.recognize),
    Format(folder.recognize, label_file=True),
)


# How files begin that hold images in other ways, and what they are.
FOREIGN = {
    b"ARROW1": "an Arrow file",
    b"SQLite": "an SQLite file",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
}


def open_path(path: Path, wanted: str | Want) -> Original:
    """Return the images of a file or folder, whose format is found by its content.

    `wanted` may be a split alone.
    """
    want = wanted if isinstance(wanted, Want) else Want(wanted)
    try:
        head = b"" if path.is_dir() else claims.head(path)
        for each in FORMATS:
            if found := each.recognize(path, head, want):
                return _with_options(found, each, path, want)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    raise InputError(_unknown_format(path, head))


def _with_options(found: Original, form: Format, path: Path, want: Want) -> Original:
    """Return an original; raises InputError for options that its format does not have."""
    if want.label_file and not form.label_file:
        raise InputError(
            f"--label-file {want.label_file} is for pictures in a folder, zip or tar; {path} holds "
            f"arrays, which have their labels in the same format beside them: leave it out."
        )
    if want.key and not form.key:
        raise InputError(
            f"--key {want.key} is for files of several arrays or sets (.npz, HDF5, MATLAB, "
            f"Parquet, EMNIST, CIFAR-100), and {path} is none: leave it out."
        )
    return found


def _unknown_format(path: Path, head: bytes) -> str:
    if not head:
        return f"{path} is empty. Copy or download it again."
    if _is_picture(path):
        return f"{path} is a single image; a GAN needs at least 2. Give the folder that holds them."
    begins = head[:8].hex(" ")
    kind = next((kind for mark, kind in FOREIGN.items() if head.startswith(mark)), "")
    advice = " Unpack it and give the folder." if head.startswith(b"\x1f\x8b") else ""
    if kind:
        advice = (
            " Unpack it, or save its arrays with numpy.savez('data.npz', images=..., labels=...), "
            "images as uint8 (N, H, W, C)."
        )
    form = f"is {kind}, which is not read" if kind else "is in no known format"
    return (
        f"{path} {form} (it begins with {begins}): expected a folder or zip of "
        f"pictures, tar shards, Parquet, .npz or .npy, IDX as in MNIST, or CIFAR-10 as a folder or "
        f"as published.{advice}"
    )


def _is_picture(path: Path) -> bool:
    try:
        with open_picture(claims.read_regular(path)):
            return True
    except Exception:  # whatever Pillow raises, it is no picture
        return False
