"""Damage at random: whatever happens to a file, one readable error or a usable set comes out."""

import gzip
import io
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from data_helpers import (
    cache,  # noqa: F401
    cifar_binary,
    encoded,
    idx,
    picture_files,
    random_images,
    write_tar,
    write_zip,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ganbaru import data
from ganbaru.data.picture import decode
from ganbaru.data.picture_file import FORMATS, UnreadableError
from ganbaru.data.source import Target
from ganbaru.errors import InputError

IMAGES = random_images(3)
SMALL = random_images(2, 32, 32)


def saved(write, **arrays) -> bytes:
    stream = io.BytesIO()
    write(stream, **arrays)
    return stream.getvalue()


def archived(write, files) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder) / "x", files).read_bytes()


FILES = {
    "npy": saved(np.save, arr=IMAGES),
    "npz": saved(np.savez, images=IMAGES, labels=np.arange(3)),
    "packed npz": saved(np.savez_compressed, images=IMAGES, labels=np.arange(3)),
    "idx": idx(IMAGES[..., 0]),
    "packed idx": gzip.compress(idx(IMAGES[..., 0])),
    "zip": archived(write_zip, picture_files(IMAGES, ("a", "b"))),
    "tar": archived(write_tar, picture_files(IMAGES) | {f"{i}.cls": b"1" for i in range(3)}),
    "cifar binary": cifar_binary(SMALL, np.arange(2)),
    "cifar pickle": pickle.dumps(
        {"data": SMALL.transpose(0, 3, 1, 2).reshape(2, -1), "labels": [1, 2]}, protocol=2
    ),
}

BATCHES = {"cifar binary": "data_batch_1.bin", "cifar pickle": "data_batch_1"}


# Sizes and offsets as headers have them: with 0, few and very many, in both orders of bytes.
CLAIMS = [
    (2**k + d).to_bytes(size, order)
    for size, powers in ((2, (0, 8, 15)), (4, (0, 16, 24, 31)), (8, (32, 62)))
    for k in powers
    for d in (-1, 0)
    for order in ("big", "little")
]


@st.composite
def damage(draw, size):
    """Return a function that overwrites some bytes and may cut the end off."""
    values = st.one_of(st.binary(min_size=1, max_size=1), st.sampled_from(CLAIMS))
    spots = draw(st.lists(st.tuples(st.integers(0, size - 1), values), max_size=6))
    length = draw(st.one_of(st.just(size), st.integers(0, size)))

    def apply(content: bytes) -> bytes:
        changed = bytearray(content)
        for place, value in spots:
            changed[place : place + len(value)] = value
        return bytes(changed[:length])

    return apply


def usable(source: data.Source) -> bool:
    count, height, width, channels = source.images.shape
    labelled = source.labels is None or (
        source.labels.shape == (count,) and source.labels.max() < len(source.classes)
    )
    return count >= 2 and min(height, width) >= 1 and channels in (1, 3) and labelled


@pytest.mark.parametrize("kind", FILES)
def test_damaged_file_gives_one_error_or_a_usable_set(tmp_path, kind):
    content = FILES[kind]

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(apply=damage(len(content)))
    def check(apply):
        # A set mapped before must not be cut off while it is read.
        file.unlink(missing_ok=True)
        file.write_bytes(apply(content))
        try:
            assert usable(data.load(loaded))
        except InputError as error:
            assert str(loaded) in str(error) and len(str(error)) < 600

    file = tmp_path / BATCHES.get(kind, "x")
    loaded = tmp_path if kind in BATCHES else file
    file.write_bytes(content)
    assert usable(data.load(loaded))
    check()


@pytest.mark.parametrize("form", FORMATS)
def test_damaged_picture_is_decoded_or_has_a_reason(form):
    exif = Image.Exif()
    exif[0x0112] = 6
    if form not in (Image.init() or Image.SAVE):
        pytest.skip(f"this Pillow writes no {form}")
    content = encoded(Image.fromarray(IMAGES[0]).resize((16, 16)), form, exif=exif)

    @settings(max_examples=60, deadline=None)
    @given(apply=damage(len(content)))
    @pytest.mark.filterwarnings("ignore")
    def check(apply):
        try:
            pixels = decode(apply(content), Target((4, 4), 3)).pixels
            assert pixels.shape == (4, 4, 3)
        except UnreadableError as error:
            assert str(error)

    check()
