"""One picture file: every mode, orientation and transparency is decoded as it is shown."""

import struct
import zlib

import numpy as np
import pytest
from data_helpers import cache, encoded, picture_files, random_images, write_zip  # noqa: F401
from PIL import Image

from ganbaru import data
from ganbaru.data.picture import decode
from ganbaru.data.source import Target

IMAGES = random_images()


def decoded(image: Image.Image, form: str, **options) -> np.ndarray:
    return decode(encoded(image, form, **options), Target())[0]


def test_palette_and_one_bit():
    colours = Image.fromarray(IMAGES[0]).quantize(16)
    assert (decoded(colours, "PNG") == np.asarray(colours.convert("RGB"))).all()
    greys = Image.fromarray(random_images(1, channels=1)[0][..., 0]).quantize(8)
    assert decoded(greys, "PNG").shape == (8, 8, 1)
    dots = Image.fromarray(np.eye(8, dtype=np.uint8) * 255).convert("1")
    assert (decoded(dots, "PNG")[..., 0] == np.eye(8) * 255).all()


def test_transparency_is_shown_over_white():
    red = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert (decoded(red, "PNG") == 255).all()
    half = Image.new("RGBA", (4, 4), (255, 0, 0, 51))
    assert decoded(half, "PNG")[0, 0].tolist() == [255, 204, 204]
    grey = decoded(Image.new("LA", (4, 4), (0, 51)), "PNG")
    assert grey.shape == (4, 4, 1) and (grey == 204).all()
    keyed = Image.new("RGB", (4, 4), (9, 9, 9))
    assert (decoded(keyed, "PNG", transparency=(9, 9, 9)) == 255).all()
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 200, 100, 50])
    assert (decoded(palette, "PNG", transparency=1) == 255).all()


def test_sixteen_bits_are_scaled_not_clipped():
    values = np.array([[0, 200, 32896, 65535]], np.uint16)
    assert decoded(Image.fromarray(values), "PNG").ravel().tolist() == [0, 1, 128, 255]
    assert decoded(Image.fromarray(values), "TIFF").ravel().tolist() == [0, 1, 128, 255]


def test_cmyk():
    ink = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    assert np.abs(decoded(ink, "TIFF")[0, 0].astype(int) - [255, 0, 0]).max() <= 1


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    moving = decoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (moving == [255, 0, 0]).all()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_orientation_from_the_camera_is_applied(form):
    """Tag 6: the first row of the file is the right-hand side of the picture."""
    picture = np.full((16, 32, 3), 255, np.uint8)
    picture[:8] = 0
    stored = Image.fromarray(picture)
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels, size, _ = decode(encoded(stored, form, exif=exif), Target())
    assert pixels.shape == (32, 16, 3) and size == (32, 16)
    assert pixels[:, 9:].mean() < 5 and pixels[:, :7].mean() > 250


def test_large_jpeg_shrinks_early_to_nearly_the_same_pixels():
    smooth = Image.fromarray(random_images(1, 6, 9)[0]).resize((900, 600), Image.Resampling.BICUBIC)
    file = encoded(smooth, "JPEG", quality=95)
    pixels, size, _ = decode(file, Target((32, 32)))
    whole = smooth.resize((32, 32), Image.Resampling.LANCZOS, box=(150, 0, 750, 600))
    assert size == (600, 900)
    assert np.abs(pixels.astype(int) - np.asarray(whole)).mean() < 2


def bomb() -> bytes:
    """Return a PNG of 60,000 x 60,000 pixels in a few bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_decompression_bombs_count_as_broken(tmp_path):
    source = data.load(write_zip(tmp_path / "a.zip", picture_files(IMAGES) | {"a.png": bomb()}))
    assert source.broken == ("a.png (more pixels than a picture may have)",)
