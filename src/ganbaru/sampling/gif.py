"""GIF encoder for animations that grow: appending a frame does not touch the frames before it.

Pillow writes all frames at once and merges equal ones. Here it encodes one frame at a time, whose
blocks (GIF89a specification, 1990) are put into the file with their own colour table and delay.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from ganbaru import files

HALF = 128  # of alpha
TRAILER = b";"
COMMENT = b"!\xfe\x07ganbaru\0"  # by which `files.is_ours` knows a GIF
_DELAY = 4  # offset of the delay in a frame's bytes


def header(size: tuple[int, int]) -> bytes:
    """Return the bytes before the first frame of an animation that loops for ever."""
    loop = b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", 0) + b"\0"
    return b"GIF89a" + struct.pack("<HHBBB", *size, 0x70, 0, 0) + loop


def frame(picture: Image.Image, centiseconds: int) -> bytes:
    """Return one frame's bytes: control extension, descriptor, colour table and pixels.

    Of RGBA, what is less than half opaque becomes transparent, since a GIF has no shades of it.
    """
    indexed, clear = _indexed(picture)
    indexed.info = {}  # else Pillow would write extensions from it
    single = io.BytesIO()
    indexed.save(single, format="GIF", interlace=0, optimize=False)
    content = single.getvalue()
    bits = content[10] & 7  # the colour table has 2 ** (bits + 1) entries of 3 bytes
    image = 13 + 3 * 2 ** (bits + 1)
    # A transparent frame is cleared before the next one, others stay below it.
    flags = 1 << 2 if clear is None else 2 << 2 | 1
    control = struct.pack("<2sBBHBB", b"!\xf9", 4, flags, centiseconds, clear or 0, 0)
    descriptor = content[image : image + 9] + bytes([0x80 | bits])
    pixels = content[image + 10 :].removesuffix(TRAILER)
    return control + descriptor + content[13:image] + pixels


def _indexed(picture: Image.Image) -> tuple[Image.Image, int | None]:
    """Return a picture with a palette, and the index of the transparent colour if it has one."""
    if picture.mode == "L":  # its 256 levels are a palette already: no search for one
        return picture.copy(), None
    if picture.mode != "RGBA":
        return picture.convert("P", palette=Image.Palette.ADAPTIVE), None
    found = picture.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE, colors=255)
    indices = np.array(found)
    clear = int(indices.max()) + 1
    indices[np.asarray(picture.getchannel("A")) < HALF] = clear
    made = Image.fromarray(indices)
    made.putpalette([*(found.getpalette() or [])[: 3 * clear], 0, 0, 0])
    return made, clear


class Gif:
    """A GIF file that is complete after every change; all frames have the first one's size."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last = self._end = 0  # offsets of the last frame and of the trailer; 0: no file yet

    def append(self, picture: Image.Image, centiseconds: int) -> None:
        """Add a frame; the first one creates the file or replaces an older one."""
        added = frame(picture, centiseconds)
        if self._end:
            self._grow(added)
        else:
            before = header(picture.size)
            with files.replacing(self.path) as temporary:
                temporary.write_bytes(before + added + TRAILER)
            self._last, self._end = len(before), len(before) + len(added)

    def hold(self, centiseconds: int) -> None:
        """Set the delay of the last frame."""
        self._write(self._last + _DELAY, struct.pack("<H", centiseconds))

    def _grow(self, added: bytes) -> None:
        # The old trailer is overwritten last, by one byte: until then readers see the old file.
        self._write(self._end + 1, added[1:] + TRAILER)
        self._write(self._end, added[:1])
        self._last, self._end = self._end, self._end + len(added)

    def _write(self, offset: int, content: bytes) -> None:
        with files.writing(self.path), self.path.open("r+b") as file:
            file.seek(offset)
            file.write(content)
