"""NumPy files: .npy with images, .npz with images and perhaps labels and class names."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.data import claims
from ganbaru.data.arrays import checked
from ganbaru.data.formats import keyed
from ganbaru.data.picture_file import brief
from ganbaru.data.source import Original, Samples, Want, damaged, undivided
from ganbaru.errors import InputError

FORM = "an .npz file holds 'images' (uint8, N x H x W x C) and may hold 'labels' and 'class_names'"


def recognize_npy(path: Path, head: bytes, want: Want) -> Original | None:
    """Return the images of a .npy file, as a memory map of it, however large.

    If they need no conversion, a run reads from the file itself, which must not change then.
    """
    if not head.startswith(b"\x93NUMPY"):
        return None
    return undivided(path, want, lambda: _read_npy(path))


def recognize_npz(path: Path, head: bytes, want: Want) -> Original | None:
    """Return the images of a .npz file: a zip archive whose first member is an array."""
    first_member = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if not head.startswith(b"PK\x03\x04") or not first_member.endswith(b".npy"):
        return None
    with _opened(path) as (_, found):
        return keyed.original(path, want, found, partial(_read_npz, path))


def _read_npy(path: Path) -> Samples:
    try:
        images = mapped(path)
    # For a damaged header, NumPy's reader raises anything from ValueError to TokenError.
    except Exception as error:
        raise _unreadable(path, error) from error
    return checked(str(path), images)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """Yield an open archive and its members by key; faults become the error for damage."""
    try:
        with claims.open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
            entries = archive.infolist()
            yield archive, {each.filename.removesuffix(".npy"): each for each in entries}
    except InputError:
        raise
    # A damaged archive makes zipfile, zlib or the array reader fail, each in its own way.
    except Exception as error:
        raise _unreadable(path, error) from error


def _read_npz(path: Path, keys: keyed.Keys) -> Samples:
    with _opened(path) as (archive, found):

        def read(key: str) -> NDArray[Any]:
            return _member(archive, found[key])

        return keyed.samples(path, keys, found, read, "npz labels")


def mapped(path: Path) -> NDArray[Any]:
    """Return the array of a .npy file as a read-only map, after a check of what it claims."""
    with claims.open_regular(path) as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        _check_header(stream, size)
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    claims.require(entry.file_size, entry.compress_size)
    with archive.open(entry) as stream:
        _check_header(stream, entry.file_size)
    with archive.open(entry) as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array


def _check_header(stream: IO[bytes], size: int) -> None:
    """Raise ClaimError unless an array fits in a stream of `size` bytes and has items of a size."""
    first = np.lib.format.read_magic(stream) == (1, 0)
    read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    shape, _, kind = read(stream)
    claimed = math.prod(shape) * max(kind.itemsize, 1)  # texts of no letters have no bytes
    if claimed > size - stream.tell() or min(shape, default=0) < 0:
        follow = f"{size - stream.tell():,} follow"
        raise claims.ClaimError(f"it announces {shape} of {kind}, {claimed:,} bytes, but {follow}")


def _unreadable(path: Path, error: Exception) -> InputError:
    if "object" in str(error).lower():
        return InputError(
            f"{path} holds Python objects, which could run code when loaded, so it is not opened. "
            f"Save plain uint8 arrays: {FORM}."
        )
    return damaged(path, f"{brief(error)}; {FORM}")
