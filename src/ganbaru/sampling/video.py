"""Films: frames as they come into a GIF, MP4, APNG or WebP, or a folder of PNGs; none is merged.

Pillow merges equal frames of its films, so the containers are written here, of frames that Pillow
encodes one by one. Memory holds a frame at a time.
"""

from __future__ import annotations

import importlib.util
import io
import itertools
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ganbaru import files
from ganbaru.errors import InputError
from ganbaru.sampling import gif, image_io, png

Frames = Iterator[image_io.Images]  # each (H, W, C), all of one shape
SLOWEST = 0.1  # frames a second


def _delays(fps: float, units: int) -> Iterator[int]:
    """Yield whole delays, `units` to a second, whose mean is right: rounding is spread."""
    for i in itertools.count():
        yield round((i + 1) * units / fps) - round(i * units / fps)


def _encoded(frame: image_io.Images, how: str, **options: bool) -> bytes:
    file = io.BytesIO()
    image_io.picture(frame).save(file, format=how, **options)
    return file.getvalue()


def _gif(file: BinaryIO, frames: Frames, fps: float) -> None:
    for i, (frame, delay) in enumerate(zip(frames, _delays(fps, 100), strict=False)):
        picture = image_io.picture(frame)
        file.write((b"" if i else gif.opening(picture.size)) + gif.frame(picture, delay))
    file.write(gif.TRAILER)


# --- APNG (PNG specification, third edition, 2025, section 11.3.6) -----------------------------


def _apng(file: BinaryIO, frames: Frames, fps: float) -> None:
    second = Fraction(1 / fps).limit_denominator(6553)  # so that 10 s fit into 16 bits as well
    delay = struct.pack(">HHBB", second.numerator, second.denominator, 0, 0)
    numbers = itertools.count()
    for i, frame in enumerate(frames):
        chunks = list(png.chunks(_encoded(frame, "PNG")))
        if not i:
            file.write(png.SIGNATURE + png.chunk(*chunks[0]))
            control = file.tell()
            file.write(png.chunk(b"acTL", bytes(8)))
        where = struct.pack(">I", next(numbers)) + chunks[0][1][:8] + bytes(8)
        file.write(png.chunk(b"fcTL", where + delay))
        pixels = b"".join(content for kind, content in chunks if kind == b"IDAT")
        number = struct.pack(">I", next(numbers)) if i else b""
        file.write(png.chunk(b"fdAT" if i else b"IDAT", number + pixels))
    file.write(png.chunk(b"IEND", b""))
    file.seek(control)
    file.write(png.chunk(b"acTL", struct.pack(">II", i + 1, 0)))


# --- WebP (RFC 9649, section 2.7) -------------------------------------------------------------


def _three(number: int) -> bytes:
    return struct.pack("<I", number)[:3]


def _riff(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _webp(file: BinaryIO, frames: Frames, fps: float) -> None:
    file.write(b"RIFF\0\0\0\0WEBP")
    for i, (frame, delay) in enumerate(zip(frames, _delays(fps, 1000), strict=False)):
        height, width, _ = frame.shape
        size = _three(width - 1) + _three(height - 1)
        if not i:
            file.write(_riff(b"VP8X", struct.pack("<I", 0x02) + size))  # 2: an animation
            file.write(_riff(b"ANIM", bytes(6)))  # for ever, before black
        pixels = _encoded(frame, "WEBP", lossless=True)[12:]
        file.write(_riff(b"ANMF", bytes(6) + size + _three(delay) + b"\x02" + pixels))  # not mixed
    length = file.tell()
    file.seek(4)
    file.write(struct.pack("<I", length - 8))


# --- MP4 --------------------------------------------------------------------------------------


def _even(frame: image_io.Images) -> image_io.Images:
    """Return colours (H, W, 3) with even sides, as yuv420p needs them: edges are repeated."""
    sides = [(0, side % 2) for side in frame.shape[:2]]
    whole = np.pad(frame, [*sides, (0, 0)], mode="edge")
    return np.broadcast_to(whole, (*whole.shape[:2], 3))


def _mp4(file: BinaryIO, frames: Frames, fps: float) -> None:
    import av

    with av.open(file, "w", format="mp4") as film:
        # crf 12 is near to lossless, and cheap for pictures that are small or enlarged.
        video = film.add_stream(
            "libx264", rate=Fraction(fps).limit_denominator(1000), options={"crf": "12"}
        )
        video.pix_fmt = "yuv420p"
        # 5 is BT.601, by which RGB becomes YUV here; untold, players take BT.709 for large films.
        video.codec_context.colorspace = 5
        for i, frame in enumerate(frames):
            colours = np.ascontiguousarray(_even(frame))
            if not i:
                video.height, video.width = colours.shape[:2]
            film.mux(video.encode(av.VideoFrame.from_ndarray(colours, format="rgb24")))
        film.mux(video.encode())


# --- the choice -------------------------------------------------------------------------------


def _folder(path: Path, frames: Frames, fps: float) -> None:
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise InputError(f"The folder {path} is not empty: frames need one of their own.")
    for i, frame in enumerate(frames):
        image_io.save_png(path / f"{i:05d}.png", frame)


Stream = Callable[[BinaryIO, Frames, float], None]


@dataclass(frozen=True)
class Format:
    """How frames are streamed (None: into a folder), how many a second, and what library does it.

    `media_type` is how the format is called among browsers.
    """

    stream: Stream | None
    fastest: float = 1000
    why: str = ""
    library: str = "PIL"
    media_type: str = ""

    def write(self, path: Path, frames: Frames, fps: float) -> None:
        """Write a film, which appears whole or not at all, or a folder of frames."""
        if self.stream is None:
            _folder(path, frames, fps)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path) as temporary, temporary.open("wb") as file:
            self.stream(file, frames, fps)


# Browsers play a delay of 10 ms or less as 100 ms; a GIF's delays are hundredths of a second.
_SLOWED = "; browsers slow a faster one down (.mp4 takes more)"
_APNG = Format(_apng, 90, _SLOWED, media_type="image/apng")
FORMATS = {
    ".gif": Format(_gif, 50, _SLOWED, media_type="image/gif"),
    ".mp4": Format(_mp4, library="av", media_type="video/mp4"),
    ".png": _APNG,
    ".apng": _APNG,
    ".webp": Format(_webp, 90, _SLOWED, media_type="image/webp"),
    "": Format(None),
}


def writer(path: Path, fps: float) -> Callable[[Iterable[image_io.Images]], None]:
    """Choose by the name's ending what writes frames (H, W, C), bytes, at `fps` a second.

    Raises InputError at once where this name, this rate or this computer will not do.
    """
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise InputError(
            f"Cannot write a film to {path}: give a name ending in .gif, .mp4, .webp, .png or "
            f".apng, or a folder's name without an ending (a PNG for each frame)."
        )
    chosen = checked(ending, fps)

    def write(frames: Iterable[image_io.Images]) -> None:
        with files.writing(path):
            chosen.write(path, iter(frames), fps)

    return write


def checked(ending: str, fps: float) -> Format:
    """Return the format of an ending; raises InputError for a rate or a computer not up to it."""
    chosen = FORMATS[ending]
    if not SLOWEST <= fps <= chosen.fastest:
        raise InputError(
            f"--fps {fps:g} is out of range: {ending or 'a folder'} takes {SLOWEST:g} to "
            f"{chosen.fastest:g} frames a second{chosen.why}."
        )
    if not importlib.util.find_spec(chosen.library):
        raise InputError(
            f"Films in {ending} need {chosen.library}, which is not installed: pip install "
            f"'ganbaru[video]', or give a name in .gif, .webp or .png."
        )
    return chosen
