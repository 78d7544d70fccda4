"""Hostile pictures, and files that are none: pipes, devices and impossible names."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from data_helpers import encoded, idx, picture_files
from hostile_helpers import IMAGES, Maker, case, zeros
from PIL import Image


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_file(width: int, height: int, extra: bytes = b"", colour: int = 2) -> bytes:
    """Return a PNG that claims a size; its pixels are zeros, 600 MB of them at most."""
    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, colour, 0, 0, 0))
    size = min(600, (3 * width + 1) * height // 2**20 + 1)
    pixels = chunk(b"IDAT", b"\x78\x9c" + zeros(size))
    return b"\x89PNG\r\n\x1a\n" + header + extra + pixels + chunk(b"IEND", b"")


def flat(side: int, form: str, mode: str = "L", **options: object) -> bytes:
    """Return a real picture of one colour: many pixels in few bytes."""
    return encoded(Image.new(mode, (side, side)), form, **options)


def bmp(width: int, height: int, code: bytes) -> bytes:
    """Return a BMP of 8 bits, run-length encoded."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(code), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + 1024) + info + bytes(1024) + code


def tiff(tags: list[tuple[int, int, int, int]]) -> bytes:
    body = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + bytes(4 + 64)


def tiff_tags(width: int, height: int, packing: int) -> list[tuple[int, int, int, int]]:
    return [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, packing),
            (262, 3, 1, 1), (277, 3, 1, 1)]  # fmt: skip


def comments(size: int) -> bytes:
    """Return a GIF whose comment is `size` bytes in blocks of 1."""
    return b"GIF89a\4\0\4\0\0\0\0!\xfe" + b"\1x" * (size // 2) + b"\0;"


def ico(inner: bytes) -> bytes:
    entry = struct.pack("<4B2H2I", 16, 16, 0, 0, 1, 32, len(inner), 22)
    return struct.pack("<3H", 0, 1, 1) + entry + inner


BOMB = png_file(13_300, 13_300)  # 177 megapixels, 531 MB, in 600 kB
PICTURES: dict[str, Callable[[], bytes]] = {
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n",
    "claims_2_32_pixels": lambda: png_file(2**16, 2**16),
    "claims_one_long_row": lambda: png_file(100_000_000, 1),
    "flat_177_megapixels": lambda: BOMB,
    "flat_jpeg": lambda: flat(4_200, "JPEG", "RGB"),
    "flat_palette": lambda: flat(4_200, "GIF", "P", transparency=0),
    "flat_webp": lambda: flat(4_200, "WEBP", "RGB", lossless=True, method=0),
    "text_bomb": lambda: png_file(4, 4, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**22)))),
    "profile_bomb": lambda: png_file(4, 4, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**22)))),
    "gif_comment": lambda: comments(4_000_000),
    "gif_screen": lambda: b"GIF89a\xff\xff\xff\xff\0\0\0" + comments(4)[13:],
    "bmp_jumps": lambda: bmp(60_000_000, 1, b"\0\2\xff\xff" * 9),
    "bmp_negative": lambda: bmp(-5, -5, b"\0\1"),
    "tiff_claims_tile": lambda: tiff(
        [
            *tiff_tags(4, 4, 5),
            (322, 4, 1, 40_000),
            (323, 4, 1, 40_000),
            (324, 4, 1, 8),
            (325, 4, 1, 64),
        ]  # fmt: skip
    ),
    "tiff_claims_strips": lambda: tiff(
        [*tiff_tags(4, 4, 1), (273, 4, 2**31, 8), (278, 4, 1, 1), (279, 4, 2**31, 8)]
    ),
    "tiff_without_tags": lambda: tiff([]),
    "icon_of_bomb": lambda: ico(BOMB),
    "icon_of_itself": lambda: ico(ico(b"")),
    "portable_map": lambda: b"P6 13000 13000 255\n" + bytes(99),
    "plain_map_comment": lambda: b"P2 4 4 255\n" + b"#" * 4_000_000,
    "targa": lambda: struct.pack("<3BHHB4H2B", 0, 0, 10, 0, 0, 0, 0, 0, 65535, 2700, 8, 0),
    "empty": lambda: b"",
}


def _folder_with(name: str, make: Callable[[], bytes]) -> Maker:
    def made(folder: Path) -> Path:
        root = folder / "set"
        root.mkdir()
        for other, content in picture_files(IMAGES).items():
            (root / other).write_bytes(content)
        (root / "x.png").write_bytes(make())
        return root

    made.__name__ = name
    return made


for _name, _make in PICTURES.items():
    case(_folder_with(f"picture_{_name}", _make))


# --- special files ---


@case
def folder_with_fifos(folder: Path) -> Path:
    root = _folder_with("", lambda: b"")(folder)
    for name in ("a.png", "images-idx3-ubyte", "x.tar"):
        os.mkfifo(root / name)
    (root / "b.png").symlink_to("/dev/zero")
    (root / "c.png").symlink_to("/dev/stdin")
    (root / "d.png").symlink_to("d.png")
    (root / "again").symlink_to(root)
    return root


@case
def folder_of_fifos(folder: Path) -> Path:
    for name in ("images-idx3-ubyte", "x.tar", "data_batch_1"):
        os.mkfifo(folder / name)
    return folder


@case
def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "x.png")
    return folder / "x.png"


@case
def device_of_zeros(folder: Path) -> Path:
    return Path("/dev/zero")


@case
def device_of_random_bytes(folder: Path) -> Path:
    return Path("/dev/urandom")


@case
def process_file(folder: Path) -> Path:
    return Path("/proc/self/maps")


@case
def linked_labels_are_a_device(folder: Path) -> Path:
    (folder / "a-images-idx3-ubyte").write_bytes(idx(IMAGES[..., 0]))
    (folder / "a-labels-idx1-ubyte").symlink_to("/dev/zero")
    return folder / "a-images-idx3-ubyte"


@case
def deep_folders(folder: Path) -> Path:
    here = os.open(folder, os.O_RDONLY)
    for _ in range(600):  # longer than a path may be
        os.mkdir("deepdeep", dir_fd=here)
        inner = os.open("deepdeep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    return folder


@case
def long_name(folder: Path) -> Path:
    return Path("x" * 5000)


@case
def name_with_zero(folder: Path) -> Path:
    return Path("x\0y")
