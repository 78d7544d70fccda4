"""PNG (third edition, 2025): its chunks, and small pictures written faster than by Pillow."""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = {1: 0, 3: 2}  # PNG's number of a kind of picture, by channels
# Bytes of pixels up to which they are stored as they are. Compressing a digit of 28x28 takes 90 µs,
# as long as drawing it, and spares 200 of 890 bytes; storing it takes 2.
SMALL = 4096


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + checksum(kind + content)


def checksum(content: bytes) -> bytes:
    """Return the CRC-32 of a chunk's kind and content, as it stands in the file."""
    return struct.pack(">I", zlib.crc32(content))


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and content of each chunk of a PNG."""
    place = len(SIGNATURE)
    while place < len(png):
        size, kind = struct.unpack_from(">I4s", png, place)
        yield kind, png[place + 8 : place + 8 + size]
        place += 12 + size


def encoded(image: NDArray[np.uint8]) -> bytes:
    """Return the PNG of one byte image (H, W, C), C being 1 or 3; rows are stored unfiltered."""
    height, width, channels = image.shape
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # 0: no filter
    rows[:, 1:] = image.reshape(height, -1)
    pixels = chunk(b"IDAT", zlib.compress(rows.data, 0 if rows.size <= SMALL else -1))
    return b"".join((_begin(height, width, channels), pixels, _END))


_END = chunk(b"IEND", b"")


@functools.lru_cache(maxsize=64)
def _begin(height: int, width: int, channels: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header)
