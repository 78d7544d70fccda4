"""Writing images one block after another into an .npy file, on disk or in memory."""

from __future__ import annotations

import io
from typing import BinaryIO

import numpy as np

from ganbaru.data.source import BLOCK, Images
from ganbaru.errors import RunError

# The header is written last, when the number of images is known, into room left for it. A plain
# file is used rather than a memory map because a full disk then raises an error instead of
# killing the process.
HEADER = 128


def cannot_write(place: object, error: OSError) -> str:
    """Return the message for decoded images that cannot be written."""
    return (
        f"Cannot write decoded images to {place}: {error.strerror or error}. Make room there, or "
        f"name another folder with $GANBARU_CACHE."
    )


class NpyWriter:
    """Writes images of one size; grey ones stay grey until the first RGB image arrives."""

    def __init__(self, file: BinaryIO | None = None, limit: int | None = None) -> None:
        """Write into `file`, or into memory; over `limit` bytes raise RunError.

        A full disk raises OSError.
        """
        self._file = file or io.BytesIO()
        self._limit = limit
        self._shape: tuple[int, int, int] | None = None
        self._count = 0
        self._append(bytes(HEADER))

    def write(self, images: Images) -> None:
        """Append images (n, H, W, C)."""
        height, width, channels = images.shape[1:]
        if self._shape is None:
            self._shape = (height, width, channels)
        if channels > self._shape[2]:
            self._widen(height, width)
        if channels < self._shape[2]:
            images = images.repeat(3, axis=3)
        self._append(np.ascontiguousarray(images).data)
        self._count += len(images)

    def finish(self) -> Images:
        """Write the header; return all images (n, H, W, C), read-only, without a copy."""
        shape = (self._count, *(self._shape or (0, 0, 0)))
        fields = {"descr": "|u1", "fortran_order": False, "shape": shape}
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, fields)  # HEADER bytes, whatever the shape
        self._file.seek(0)
        self._append(header.getbuffer())
        if not isinstance(self._file, io.BytesIO):
            return np.memmap(self._file.name, np.uint8, "r", HEADER, shape)
        images: Images = np.frombuffer(self._file.getbuffer(), np.uint8, offset=HEADER)
        images.flags.writeable = False
        return images.reshape(shape)

    def _append(self, data: bytes | memoryview) -> None:
        if self._limit is not None and self._file.tell() + memoryview(data).nbytes > self._limit:
            raise RunError(
                f"The cache cannot be written and the images need more than "
                f"{self._limit / 2**30:.3g} GiB of memory. Name a folder with room for them with "
                f"$GANBARU_CACHE."
            )
        self._file.write(data)
        self._file.flush()

    def _widen(self, height: int, width: int) -> None:
        """Repeat each grey value three times, from the end backwards, so that it works in place."""
        self._shape = (height, width, 3)
        size = height * width
        for start in reversed(range(0, self._count, BLOCK)):
            self._file.seek(HEADER + start * size)
            grey = np.frombuffer(self._file.read(min(BLOCK, self._count - start) * size), np.uint8)
            self._file.seek(HEADER + start * size * 3)
            self._append(grey.repeat(3).data)
        self._file.seek(HEADER + self._count * size * 3)
