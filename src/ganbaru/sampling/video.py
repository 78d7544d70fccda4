"""Videos: write frames as an animated GIF, MP4, APNG or WebP, or as a folder of PNGs.

`ALPHA` says what becomes of transparency where it is not kept.

GIF and MP4 are streamed: memory holds one frame. Pillow writes APNG and WebP, for which it needs
all frames at once; where consecutive frames are equal it stores one and adds up their delays.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from ganbaru import files
from ganbaru.data import alpha
from ganbaru.errors import InputError, missing_extra
from ganbaru.sampling import gif, image_io

Frames = Iterator[image_io.Images]  # each (H, W, C), all of one shape
Stream = Callable[[BinaryIO, Frames, float], None]
MIN_FPS = 0.1
MAX_BYTES = 2**31  # of pixels, in a format that needs all frames at once


def _gif(file: BinaryIO, frames: Frames, fps: float) -> None:
    for i, frame in enumerate(frames):
        # Whole centiseconds whose mean is 100 / fps: rounding errors do not add up.
        delay = round((i + 1) * 100 / fps) - round(i * 100 / fps)
        picture = image_io.picture(frame)
        file.write(b"" if i else gif.header(picture.size) + gif.COMMENT)
        file.write(gif.frame(picture, delay))
    file.write(gif.TRAILER)


def _animation(kind: str, **options: Any) -> Stream:
    def write(file: BinaryIO, frames: Frames, fps: float) -> None:
        first, *rest = map(image_io.picture, _bounded(frames))
        times = {"duration": 1000 / fps, "loop": 0}
        first.save(file, kind, save_all=True, append_images=rest, **times, **options)

    return write


def _bounded(frames: Frames) -> Frames:
    """Pass frames on; raises InputError once they have more than `MAX_BYTES` together."""
    total = 0
    for frame in frames:
        total += frame.nbytes
        if total > MAX_BYTES:
            raise InputError(
                f"A .webp, .png or .apng video is held in memory while it is written: at most "
                f"{MAX_BYTES / 2**30:g} GiB of pixels. Choose .mp4 or .gif, fewer --frames or a "
                f"smaller --size."
            )
        yield frame


def _mp4(file: BinaryIO, frames: Frames, fps: float) -> None:
    import av

    with av.open(file, "w", format="mp4") as container:
        container.metadata["comment"] = "ganbaru"
        # crf 12 is near to lossless, and cheap for images that are small or enlarged.
        stream = container.add_stream(
            "libx264", rate=Fraction(fps).limit_denominator(1000), options={"crf": "12"}
        )
        stream.pix_fmt = "yuv420p"
        # 5 is BT.601, the matrix used here; players assume BT.709 for large videos without it.
        stream.codec_context.colorspace = 5
        for i, frame in enumerate(frames):
            rgb = np.ascontiguousarray(_even(alpha.over(frame)))
            if not i:
                stream.height, stream.width = rgb.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())


def _even(frame: image_io.Images) -> image_io.Images:
    """Return RGB (H, W, 3) with even sides, as yuv420p requires: edge pixels are repeated."""
    sides = [(0, side % 2) for side in frame.shape[:2]]
    padded = np.pad(frame, [*sides, (0, 0)], mode="edge")
    return np.broadcast_to(padded, (*padded.shape[:2], 3))


FRAME = re.compile(r"\d{5}\.png")


def _folder(path: Path, frames: Frames) -> None:
    path = path.resolve()
    for entry in path.iterdir() if path.exists() else ():
        if not (FRAME.fullmatch(entry.name) and entry.is_file() and files.is_ours(entry)):
            raise InputError(
                f"The folder {path} has other files than frames of ganbaru's, such as "
                f"{entry.name}: choose an empty or new one for frames."
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.temporary(path.parent, folder=True) as made:
        for i, frame in enumerate(frames):
            image_io.save(made / f"{i:05d}.png", image_io.picture(frame))
        if path.exists():
            shutil.rmtree(path)
        made.rename(path)


@dataclass(frozen=True)
class Format:
    """How frames are streamed (None: into a folder), the highest rate, and the library it needs.

    `why` explains that rate; `media_type` is the MIME type.
    """

    stream: Stream | None
    max_fps: float = 1000
    why: str = ""
    library: str = "PIL"
    media_type: str = ""

    def write(self, path: Path, frames: Frames, fps: float) -> None:
        """Write a video, which appears whole or not at all, or a folder of frames."""
        if self.stream is None:
            _folder(path, frames)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path) as temporary, temporary.open("wb") as file:
            self.stream(file, frames, fps)


# What becomes of transparency, by ending, where it is not kept.
ALPHA = {
    ".gif": "A GIF's transparency is on or off: what is less than half opaque is transparent.",
    ".mp4": "MP4 has no transparency: the film is over white (.webp and .png keep it).",
}
# Browsers play a delay of 10 ms or less as 100 ms; a GIF's delays are hundredths of a second.
_SLOWED = "; browsers slow down faster ones (.mp4 allows more)"
_EXIF = Image.Exif()
_EXIF[0x0131] = "ganbaru"  # the tag Software
_APNG = Format(_animation("PNG", pnginfo=image_io.software()), 90, _SLOWED, media_type="image/apng")
_WEBP = _animation(
    "WEBP", lossless=True, exact=True, method=4, exif=_EXIF
)  # Pillow's own method, 0: 19 % more bytes
FORMATS = {
    ".gif": Format(_gif, 50, _SLOWED, media_type="image/gif"),
    ".mp4": Format(_mp4, library="av", media_type="video/mp4"),
    ".png": _APNG,
    ".apng": _APNG,
    ".webp": Format(_WEBP, 90, _SLOWED, media_type="image/webp"),
    "": Format(None),
}


def writer(path: Path, fps: float) -> Callable[[Iterable[image_io.Images]], None]:
    """Return the function that writes frames (H, W, C), uint8, to `path` at `fps`.

    The name's ending chooses the format. Raises InputError at once for an unknown ending, a rate
    out of range or a missing library.
    """
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise InputError(
            f"Cannot write a video to {path}: give a name ending in .gif, .mp4, .webp, .png or "
            f".apng, or a folder's name without an ending (a PNG for each frame)."
        )
    chosen = checked(ending, fps)

    def write(frames: Iterable[image_io.Images]) -> None:
        with files.writing(path):
            chosen.write(path, iter(frames), fps)

    return write


def checked(ending: str, fps: float) -> Format:
    """Return the format of an ending; raises InputError for its rate or a missing library."""
    chosen = FORMATS[ending]
    if not MIN_FPS <= fps <= chosen.max_fps:
        raise InputError(
            f"--fps {fps:g} is out of range: {ending or 'a folder'} takes {MIN_FPS:g} to "
            f"{chosen.max_fps:g} frames a second{chosen.why}."
        )
    if not importlib.util.find_spec(chosen.library):
        otherwise = "A name in .gif, .webp or .png needs no package."
        raise missing_extra(f"A video in {ending} needs {chosen.library}", "video", otherwise)
    return chosen
