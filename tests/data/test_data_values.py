"""Pictures of every type of values and colours become the bytes that they show, by one rule."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from data_helpers import cache, encoded, png, random_images, write_folder, write_zip  # noqa: F401
from PIL import Image, ImageCms

from ganbaru import data
from ganbaru.data.picture import decode
from ganbaru.data.source import RangeError, Target
from ganbaru.errors import InputError

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (6, 5), dtype=np.uint8)
WORDS = RNG.integers(0, 65536, (6, 5), dtype=np.uint16)
COLOURS = RNG.integers(0, 65536, (6, 5, 3), dtype=np.uint16)


def tiff(pixels: np.ndarray, photometric: int, sample_format: int = 1, order: str = "<") -> bytes:
    """Return an uncompressed TIFF of an array (H, W) or (H, W, C)."""
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    content = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    fields = [
        (256, "H", [width]), (257, "H", [height]), (258, "H", [8 * pixels.itemsize] * channels),
        (259, "H", [1]), (262, "H", [photometric]), (273, "I", [0]), (277, "H", [channels]),
        (278, "H", [height]), (279, "I", [len(content)]), (339, "H", [sample_format] * channels),
    ]  # fmt: skip
    after = 8 + 2 + 12 * len(fields) + 4
    extra, entries = b"", b""
    place = after + sum(2 * len(v) for _, kind, v in fields if kind == "H" and len(v) > 2)
    for tag, kind, values in fields:
        values = [place] if tag == 273 else values
        packed = struct.pack(f"{order}{len(values)}{kind}", *values)
        shown = packed.ljust(4, b"\0")
        if len(packed) > 4:
            shown = struct.pack(f"{order}I", after + len(extra))
            extra += packed
        number = 3 if kind == "H" else 4
        entries += struct.pack(f"{order}HHI", tag, number, len(values)) + shown
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(f"{order}HI", 42, 8) + struct.pack(f"{order}H", len(fields))
    return head + entries + bytes(4) + extra + content


def png_of_words(pixels: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of 16-bit values (H, W, C), with the filter that refers to the pixel before."""
    height, width, channels = pixels.shape
    rows = pixels.astype(">u2").tobytes()
    rows = np.frombuffer(rows, np.uint8).reshape(height, width, channels * 2)
    before = np.concatenate([np.zeros_like(rows[:, :1]), rows[:, :-1]], axis=1)
    lines = b"".join(b"\1" + line.tobytes() for line in rows - before)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )


def expected(values: np.ndarray, low: float, high: float) -> np.ndarray:
    scaled = np.rint((values.astype(np.float64) - low) * 255 / (high - low)).clip(0, 255)
    return scaled[..., None] if scaled.ndim == 2 else scaled


def decoded(file: bytes, text: str | None = None) -> np.ndarray:
    return decode(file, Target(range=text)).pixels


UNIT = (WORDS / 65535).astype(np.float32)
FIXED = {
    "16 bits PNG": (encoded(Image.fromarray(WORDS), "PNG"), WORDS),
    "16 bits TIFF": (tiff(WORDS, 1), WORDS),
    "16 bits TIFF, big-endian": (tiff(WORDS, 1, order=">"), WORDS),
    "16 bits TIFF, LZW": (encoded(Image.fromarray(WORDS), "TIFF", compression="tiff_lzw"), WORDS),
    "16 bits PGM": (b"P5 5 6 65535\n" + WORDS.astype(">u2").tobytes(), WORDS),
    "white is 0, 16 bits": (tiff(WORDS, 0), 65535 - WORDS),
    "white is 0, 16 bits, big-endian": (tiff(WORDS, 0, order=">"), 65535 - WORDS),
    "white is 0, 8 bits": (tiff(BYTES, 0), 257 * (255 - BYTES.astype(int))),
    "white is 0, floating-point": (tiff(UNIT, 0, 3), 65535 * (1 - UNIT.astype(float))),
    "floating-point": (tiff(UNIT, 1, 3), 65535 * UNIT.astype(float)),
    "floating-point, big-endian": (tiff(UNIT, 1, 3, ">"), 65535 * UNIT.astype(float)),
    "colours of 16 bits PNG": (png_of_words(COLOURS), COLOURS),
    "colours of 16 bits TIFF": (tiff(COLOURS, 2), COLOURS),
    "colours of 16 bits TIFF, big-endian": (tiff(COLOURS, 2, order=">"), COLOURS),
}


@pytest.mark.parametrize("kind", FIXED)
def test_types_with_a_fixed_range_use_all_of_it(kind):
    file, values = FIXED[kind]
    assert np.abs(decoded(file) - expected(values, 0, 65535)).max() <= 0.51


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("colours", [False, True])
def test_few_bits_in_sixteen_are_found_and_stretched_without_loss(tmp_path, bits, colours):
    shape = (100, 4, 4, 3 if colours else 1)
    values = np.random.default_rng(bits).integers(0, 2**bits, shape, dtype=np.uint16)
    values[0, 0, 0], values[1, 0, 0] = 0, 2**bits - 1
    files = {f"{i:03}.png": png_of_words(image) for i, image in enumerate(values)}
    root = write_folder(tmp_path / "set", files)
    source = data.load(root)
    assert [each.code for each in source.warnings] == ["range"]
    assert f"0:{2**bits - 1}" in source.warnings[0].message
    assert (source.depth, source.range) == ("16-bit", f"0:{2**bits - 1}")
    wanted = expected(values, 0, 2**bits - 1)
    for text in ("auto", f"0:{2**bits - 1}"):
        stretched = data.load(root, value_range=text)
        assert stretched.warnings == () and "--range" in stretched.notes[0]
        assert stretched.black_white == f"0:{2**bits - 1}"
        assert np.abs(stretched.images - wanted).max() <= 0.51
    part = data.load(root, value_range=f"0:{2 ** (bits - 1)}")
    assert "of 100 images have values outside" in part.notes[0]


def test_hot_pixels_in_one_picture_do_not_hide_a_small_range(tmp_path):
    values = np.random.default_rng(0).integers(0, 4096, (101, 4, 4), dtype=np.uint16)
    values[7, 3, 3] = 65535
    files = {f"{i}.png": encoded(Image.fromarray(each), "PNG") for i, each in enumerate(values)}
    source = data.load(write_zip(tmp_path / "a.zip", files))
    assert [each.code for each in source.warnings] == ["range"] and source.range == "0:65535"


# Values whose range nothing says: the first of each set is within the others' usual range.
OPEN = {
    "int32": [tiff(np.int32(k) * WORDS.astype(np.int32), 1, 2) for k in (0, 1, 40)],
    "int16": [tiff(np.full((6, 5), k, np.int16) + BYTES, 1, 2) for k in (0, -300)],
    "uint32": [tiff(WORDS.astype(np.uint32) * 60_000, 1)] * 2,
    "floats to 255": [tiff(UNIT * np.float32(k), 1, 3) for k in (1, 255)],
    "floats from -1": [tiff(UNIT * 2 - 1, 1, 3)] * 2,
}


def opened(file: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(file)) as image:
        values = np.asarray(image)
        return values.view(np.uint32) if image.tag_v2.get(339) == (1,) else values


@pytest.mark.parametrize("kind", OPEN)
def test_other_types_need_a_range_for_the_whole_set(tmp_path, kind):
    files = {f"{i}.tif": file for i, file in enumerate(OPEN[kind])}
    root = write_folder(tmp_path / "set", files)
    values = np.stack([opened(file) for file in OPEN[kind]])[..., None]
    low, high = float(values.min()), float(values.max())
    with pytest.raises(RangeError, match=r"--range LOW:HIGH, such as .*--range auto"):
        data.load(root)
    source = data.load(root, value_range="auto")
    assert np.abs(source.images - expected(values, low, high)).max() <= 0.51
    again = data.load(root, value_range=source.black_white)
    assert again.fingerprint == source.fingerprint


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64, bool, np.int64])
def test_arrays_follow_the_same_rule(tmp_path, dtype):
    numbers = np.random.default_rng(0).random((100, 4, 5, 1))
    scale = {np.uint16: 65535, np.int64: 300}.get(dtype, 1)
    images = (numbers * scale).round(0 if dtype in (bool, np.int64) else 9).astype(dtype)
    images[0, 0, 0], images[0, 0, 1] = 0, scale
    for file in (tmp_path / "a.npy", tmp_path / "a.npz"):
        np.save(file, images) if file.suffix == ".npy" else np.savez(file, images=images)
        if dtype is np.int64:
            with pytest.raises(RangeError, match="integer pixels from 0 to 300"):
                data.load(file)
        source = data.load(file, value_range="auto" if dtype is np.int64 else None)
        assert np.abs(source.images - expected(images, 0, scale)).max() <= 0.51
        assert source.warnings == ()


def test_range_of_a_set_with_two_depths_is_refused(tmp_path):
    files = {"a.png": png(BYTES[..., None]), "b.png": encoded(Image.fromarray(WORDS), "PNG")}
    root = write_folder(tmp_path / "set", files)
    assert data.load(root).depth == "16-bit and 8-bit"
    for text in ("auto", "0:255"):
        with pytest.raises(InputError, match="16-bit and 8-bit pictures.*leave --range out"):
            data.load(root, value_range=text)


@pytest.mark.parametrize("text", ["", "0", "5:5", "9:1", "a:b", "0:1:2", "nan:1", "0:inf"])
def test_a_range_that_is_none_is_refused(text):
    with pytest.raises(InputError, match=r"--range .*0:4095"):
        Target(range=text)


# --- colours ----------------------------------------------------------------------------------


def profile(space: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()


def swapped() -> bytes:
    """Return an sRGB profile whose red and blue are exchanged: visible, and exactly known."""
    body = bytearray(profile("sRGB"))
    places = {}
    for k in range(struct.unpack_from(">I", body, 128)[0]):
        places[bytes(body[132 + 12 * k : 136 + 12 * k])] = 136 + 12 * k
    red, blue = places[b"rXYZ"], places[b"bXYZ"]
    body[red : red + 8], body[blue : blue + 8] = body[blue : blue + 8], body[red : red + 8]
    return bytes(body)


PICTURE = Image.fromarray(random_images()[0])


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_profiles_become_srgb(form, mode):
    image = PICTURE.quantize(64) if mode == "P" else PICTURE.convert(mode)
    shown = np.asarray(image.convert("RGB"), int)
    same = decode(encoded(image, form, icc_profile=profile("sRGB")), Target()).pixels
    assert (same == shown).all()
    changed = decode(encoded(image, form, icc_profile=swapped()), Target()).pixels
    assert np.abs(changed - shown[..., ::-1]).max() <= 2


def test_profiles_of_grey_pictures_keep_them_grey():
    grey = PICTURE.convert("L")
    found = decode(encoded(grey, "PNG", icc_profile=profile("sRGB")), Target())
    assert (found.pixels[..., 0] == np.asarray(grey)).all() and not found.facts.unmanaged


def test_damaged_profiles_are_ignored_with_a_note(tmp_path):
    files = {f"{i}.png": encoded(PICTURE, "PNG", icc_profile=b"none") for i in range(2)}
    source = data.load(write_folder(tmp_path / "set", files))
    assert (source.images == np.asarray(PICTURE)).all() and "2 images" in source.notes[0]


INKS = np.array([[[0, 255, 255, 0], [255, 255, 0, 0], [0, 0, 0, 255], [0, 0, 0, 0]]] * 16, np.uint8)
SHOWN = np.array([[[255, 0, 0], [0, 0, 255], [0, 0, 0], [255, 255, 255]]] * 16, np.uint8)
LAB = np.array([[[255, 0, 0], [0, 0, 0], [136, 208, 195], [83, 68, 144]]], np.uint8)
LAB_SHOWN = [[255, 255, 255], [0, 0, 0]]


@pytest.mark.parametrize("form", ["TIFF", "JPEG"])
def test_cmyk(form):
    """Adobe's programs write the inks of a JPEG inverted, which a mark of theirs says."""
    inks = Image.fromarray(INKS.repeat(8, axis=1).repeat(2, axis=0), "CMYK")
    options = {"quality": 100, "subsampling": 0} if form == "JPEG" else {}
    found = decode(encoded(inks, form, **options), Target()).pixels
    assert np.abs(found[:32, 4::8][:16] - SHOWN.astype(int)).max() <= 4


def test_lab_and_ycbcr():
    found = decode(tiff(LAB, 8), Target()).pixels
    assert np.abs(found[0, :2] - np.array(LAB_SHOWN)).max() <= 2
    ycbcr = np.asarray(PICTURE.convert("YCbCr"))
    found = decode(tiff(ycbcr, 6), Target()).pixels
    assert (found == np.asarray(Image.fromarray(ycbcr, "YCbCr").convert("RGB"))).all()


def test_sixteen_bits_with_transparency_are_shown_over_white():
    alpha = np.full((6, 5, 1), 65535, np.uint16)
    alpha[0] = 0
    for values in (WORDS[..., None], COLOURS):
        wanted = expected(values, 0, 65535)
        wanted[0] = 255
        found = decoded(png_of_words(np.concatenate([values, alpha], axis=2)))
        assert found.shape == wanted.shape and np.abs(found - wanted).max() <= 0.51
    key = struct.pack(">H", WORDS[2, 2])
    keyed = decoded(png_of_words(WORDS[..., None], (b"tRNS", key)))
    assert keyed[2, 2, 0] == 255 != decoded(png_of_words(WORDS[..., None]))[2, 2, 0]
