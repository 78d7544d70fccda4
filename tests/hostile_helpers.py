"""Hostile image sets: a table of the functions that make them, and what those have in common."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from data_helpers import random_images

IMAGES = random_images(3)
Maker = Callable[[Path], Path]  # writes into a folder, returns what to load
CASES: dict[str, Maker] = {}


def case(make: Maker) -> Maker:
    CASES[make.__name__] = make
    return make


def cases(group: str, contents: dict[str, bytes], file: str, load_folder: bool = False) -> None:
    """Add a case for each content of a file."""

    def maker(content: bytes) -> Maker:
        def make(folder: Path) -> Path:
            (folder / file).write_bytes(content)
            return folder if load_folder else folder / file

        return make

    CASES.update((f"{group}_{name}", maker(content)) for name, content in contents.items())


def zeros(megabytes: int, before: bytes = b"") -> bytes:
    """Return a deflated stream of so many megabytes of zeros, without its check, in no time."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packed.compress(before) + packed.flush(zlib.Z_FULL_FLUSH)
    million = packed.compress(bytes(2**20)) + packed.flush(zlib.Z_FULL_FLUSH)
    return first + million * megabytes + packed.flush()


def gzipped_zeros(megabytes: int, before: bytes) -> bytes:
    return b"\x1f\x8b\x08\0\0\0\0\0\0\3" + zeros(megabytes, before) + bytes(8)


def zip_of(name: str, packed: bytes, size: int) -> bytes:
    """Return a zip with one member, deflated already."""
    sizes = struct.pack("<3I2H", 0, len(packed), size, len(name), 0)
    local = b"PK\3\4\x14\0\0\0\x08\0\0\0\0\0" + sizes + name.encode()
    entry = b"PK\1\2\x14\0\x14\0\0\0\x08\0\0\0\0\0" + sizes + bytes(14) + name.encode()
    ends = len(entry), len(local) + len(packed), 0
    return local + packed + entry + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, *ends)


def saved(array: object) -> bytes:
    """Return an array as an .npy file."""
    stream = io.BytesIO()
    np.save(stream, np.asarray(array))
    return stream.getvalue()
