"""File formats: each module recognises one by a path and the first bytes of its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ganbaru.data import claims
from ganbaru.data.formats import archives, cifar, folder, idx, numpy_files
from ganbaru.data.picture_file import open_picture
from ganbaru.data.source import Original
from ganbaru.errors import InputError

# Returns None for other formats; raises SplitError where the split is missing.
Recognizer = Callable[[Path, bytes, str], Original | None]

# CIFAR-10's archive is any gzip file until it is unpacked, so it comes after those that have a
# mark of their own; the folder of pictures comes last, since any folder may be one.
FORMATS: tuple[Recognizer, ...] = (
    numpy_files.recognize_npy,
    numpy_files.recognize_npz,
    archives.recognize_zip,
    idx.recognize,
    archives.recognize_tar,
    cifar.recognize,
    folder.recognize,
)


# How files begin that hold images in other ways, and what they are.
FOREIGN = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file (.h5, .mat 7.3)",
    b"MATLAB": "a MATLAB file",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"SQLite": "an SQLite file",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
}


def open_path(path: Path, split: str) -> Original:
    """Return the images of a file or folder, whose format is found by its content."""
    try:
        head = b"" if path.is_dir() else claims.head(path)
        for recognize in FORMATS:
            if found := recognize(path, head, split):
                return found
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    raise InputError(_unknown_format(path, head))


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
        f"pictures, tar shards, .npz or .npy, IDX as in MNIST, or CIFAR-10 as a folder or as "
        f"published.{advice}"
    )


def _is_picture(path: Path) -> bool:
    try:
        with open_picture(claims.read_regular(path)):
            return True
    except Exception:  # whatever Pillow raises, it is no picture
        return False
