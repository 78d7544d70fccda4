"""The PNG encoder for small images, read back by Pillow."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ganbaru.sampling import png


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 3]), st.integers(0, 9))
def test_pillow_reads_every_pixel(height, width, channels, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    with Image.open(io.BytesIO(png.encoded(image))) as picture:
        picture.verify()  # checksums
    with Image.open(io.BytesIO(png.encoded(image))) as picture:
        assert (picture.format, picture.size) == ("PNG", (width, height))
        assert picture.mode == {1: "L", 3: "RGB"}[channels]
        assert np.array_equal(np.asarray(picture).reshape(image.shape), image)


@pytest.mark.parametrize("side,stored", [(28, True), (63, True), (64, False), (200, False)])
def test_small_images_are_stored_and_larger_ones_compressed(side, stored):
    image = np.zeros((side, side, 1), np.uint8)
    content = png.encoded(image)
    assert (len(content) > image.size) == stored
    begin = content.index(b"IDAT") + 4
    assert len(zlib.decompress(content[begin:-16])) == side * (side + 1)


def test_memory_layout_of_the_array_does_not_matter():
    image = np.random.default_rng(0).integers(0, 256, (3, 9, 7), np.uint8).transpose(1, 2, 0)
    assert png.encoded(image) == png.encoded(np.ascontiguousarray(image))
