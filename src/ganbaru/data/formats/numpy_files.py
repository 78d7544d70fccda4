"""NumPy files: .npy with images, .npz with images and perhaps labels and class names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ganbaru.data.arrays import checked
from ganbaru.data.source import Original, Samples, damaged, undivided
from ganbaru.errors import InputError

MEMBERS = ("images", "labels", "classes")
FORM = "an .npz file holds 'images' (uint8, N x H x W x C) and may hold 'labels' and 'classes'"


def recognize_npy(path: Path, head: bytes, split: str) -> Original | None:
    """Return the images of a .npy file, as a memory map of it, however large.

    If they need no conversion, a run reads from the file itself, which must not change then.
    """
    if not head.startswith(b"\x93NUMPY"):
        return None
    return undivided(path, split, lambda: _read_npy(path))


def recognize_npz(path: Path, head: bytes, split: str) -> Original | None:
    """Return the images of a .npz file: a zip archive whose first member is an array."""
    first_member = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if not head.startswith(b"PK\x03\x04") or not first_member.endswith(b".npy"):
        return None
    return undivided(path, split, lambda: _read_npz(path))


def _read_npy(path: Path) -> Samples:
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    # For a damaged header, NumPy's reader raises anything from ValueError to TokenError.
    except Exception as error:
        raise _unreadable(path, error) from error
    return checked(str(path), images)


def _read_npz(path: Path) -> Samples:
    try:
        # Given a path, np.load leaves a damaged file open.
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
            members = {name: archive[name] for name in archive.files if name in MEMBERS}
            found = archive.files
    # A damaged archive makes zipfile, zlib or the array reader fail, each in its own way.
    except Exception as error:
        raise _unreadable(path, error) from error
    if "images" not in members:
        raise InputError(f"{path} holds {', '.join(map(repr, found))} but no 'images'; {FORM}.")
    classes = tuple(str(name) for name in members.get("classes", ()))
    return checked(str(path), members["images"], members.get("labels"), classes)


def _unreadable(path: Path, error: Exception) -> InputError:
    if "object" in str(error).lower():
        return InputError(
            f"{path} holds Python objects, which could run code when loaded, so it is not opened. "
            f"Save plain uint8 arrays: {FORM}."
        )
    return damaged(path, f"{error}; {FORM}")
