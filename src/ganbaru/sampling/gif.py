"""A GIF that grows: each frame is written once, kept even if it equals the last, and at one price.

Pillow writes all frames in one go and merges equal ones. Here it encodes one frame, whose blocks
(GIF89a specification, 1990) are put into the file with a colour table and a delay of their own.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

from PIL import Image

from ganbaru import files

TRAILER = b";"
_DELAY = 4  # where a frame's delay lies, counted from the frame's begin
MOST_CENTISECONDS = 2**16 - 1


def opening(size: tuple[int, int]) -> bytes:
    """Return what stands before the frames of a film of `size`, which loops for ever."""
    loop = b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", 0) + b"\0"
    return b"GIF89a" + struct.pack("<HHBBB", *size, 0x70, 0, 0) + loop


def frame(picture: Image.Image, centiseconds: int) -> bytes:
    """Return a picture as a frame: control extension, descriptor, colour table and pixels."""
    indexed = picture.convert("P", palette=Image.Palette.ADAPTIVE)
    indexed.info = {}  # of which Pillow would write extensions
    alone = io.BytesIO()
    indexed.save(alone, format="GIF", interlace=0, optimize=False)
    content = alone.getvalue()
    bits = content[10] & 7  # the colour table has 2 ** (bits + 1) entries of 3 bytes
    image = 13 + 3 * 2 ** (bits + 1)
    control = struct.pack("<2sBBHBB", b"!\xf9", 4, 1 << 2, centiseconds, 0, 0)  # 1: left in place
    descriptor = content[image : image + 9] + bytes([0x80 | bits])
    pixels = content[image + 10 :].removesuffix(TRAILER)
    return control + descriptor + content[13:image] + pixels


class Gif:
    """A film in a file, complete after every change; frames are as large as the first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last = self._end = 0  # where the last frame and the trailer begin; 0: no file yet

    def append(self, picture: Image.Image, centiseconds: int) -> None:
        """Add a frame; the first one makes the file, or replaces what is there."""
        added = frame(picture, centiseconds)
        if self._end:
            self._grow(added)
        else:
            self._create(opening(picture.size), added)

    def hold(self, centiseconds: int) -> None:
        """Change for how long the last frame is shown."""
        self._write(self._last + _DELAY, struct.pack("<H", centiseconds))

    def _create(self, before: bytes, added: bytes) -> None:
        with files.replacing(self.path) as temporary:
            temporary.write_bytes(before + added + TRAILER)
        self._last, self._end = len(before), len(before) + len(added)

    def _grow(self, added: bytes) -> None:
        # The old trailer goes last, by a single byte: until then readers see the old film.
        self._write(self._end + 1, added[1:] + TRAILER)
        self._write(self._end, added[:1])
        self._last, self._end = self._end, self._end + len(added)

    def _write(self, place: int, content: bytes) -> None:
        with files.writing(self.path), self.path.open("r+b") as file:
            file.seek(place)
            file.write(content)
