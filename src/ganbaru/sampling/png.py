"""PNG encoder for small images, faster than Pillow's (PNG specification, third edition, 2025)."""

from __future__ import annotations

import functools
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from ganbaru.coerce import MODES

# Up to this many bytes, pixels are stored uncompressed. Compressing a 28x28 digit takes 90 µs, as
# long as generating it, and saves 200 of 890 bytes; storing it takes 2 µs.
SMALL = 4096


def encoded(image: NDArray[np.uint8]) -> bytes:
    """Return the PNG of one image (H, W, C), uint8, C being 1, 3 or 4; rows are not filtered."""
    height, width, channels = image.shape
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # 0: no filter
    rows[:, 1:] = image.reshape(height, -1)
    pixels = _chunk(b"IDAT", zlib.compress(rows.data, 0 if rows.size <= SMALL else -1))
    return _begin(height, width, channels) + pixels + _END


def _chunk(kind: bytes, content: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + crc


_END = _chunk(b"IEND", b"")


@functools.lru_cache(maxsize=64)
def _begin(height: int, width: int, channels: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, MODES[channels].png, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)
