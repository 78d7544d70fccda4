"""Image output: uint8 by a fixed range, the geometry of grids, pixels of files."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from ganbaru import RunError
from ganbaru.gan import batches
from ganbaru.sampling import image_io

BYTES = np.arange(256, dtype=np.uint8)


def bytes_of(values) -> list[int]:
    image = np.asarray(values, float).reshape(1, 1, 1, -1)
    return image_io.to_bytes(image)[0, 0, :, 0].tolist()


# --- bytes ------------------------------------------------------------------------------------


def test_range_is_fixed():
    assert bytes_of([-1, 1, 0.5, -0.5]) == [0, 255, 191, 64]
    assert bytes_of([-1.2, 7, -1e9, 1e9]) == [0, 255, 0, 255]


def test_rounds_to_the_nearest():
    steps = np.array([0.49, 0.51, 1.49, 127.51, 253.51, 254.49, 254.51])
    assert bytes_of(steps / 127.5 - 1) == [0, 1, 1, 128, 254, 254, 255]


def test_uint8_to_network_range_and_back_is_exact():
    images = BYTES.reshape(4, 8, 8, 1)
    np.testing.assert_array_equal(image_io.to_bytes(batches.to_range(images)), images)


@given(arrays.arrays(np.float32, (3, 2, 4, 5), elements=st.floats(-1.5, 1.5, width=32)))
def test_contrast_does_not_depend_on_other_images_of_the_batch(images):
    together = image_io.to_bytes(images)
    assert together.shape == (3, 4, 5, 2) and together.dtype == np.uint8
    for i in range(3):
        np.testing.assert_array_equal(image_io.to_bytes(images[i : i + 1])[0], together[i])
    wanted = np.clip((images.astype(float) + 1) * 127.5, 0, 255)
    assert np.abs(together.transpose(0, 3, 1, 2) - wanted).max() <= 0.5


def test_flat_grey_stays_grey():
    assert set(bytes_of([0.1] * 5)) == {140}


# --- grids ------------------------------------------------------------------------------------


@given(st.integers(1, 30), st.integers(1, 7), st.integers(1, 7), st.sampled_from([1, 3]),
       st.integers(0, 3), st.integers(0, 9))  # fmt: skip
def test_grid_holds_every_image_in_its_place(count, height, width, channels, gap, columns):
    images = np.random.default_rng(count).integers(100, 256, (count, height, width, channels))
    images = images.astype(np.uint8)
    sheet = image_io.grid(images, columns or None, gap)
    across = columns or math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    assert sheet.shape == (
        down * (height + gap) + gap, across * (width + gap) + gap, channels,
    )  # fmt: skip
    for i, image in enumerate(images):
        top, left = gap + i // across * (height + gap), gap + i % across * (width + gap)
        np.testing.assert_array_equal(sheet[top : top + height, left : left + width], image)
        sheet[top : top + height, left : left + width] = 24
    assert (sheet == 24).all()


@pytest.mark.parametrize(
    ("classes", "columns"), [(0, 8), (1, 8), (2, 8), (3, 6), (5, 5), (10, 10), (16, 16), (17, 8)]
)
def test_each_column_is_one_class(classes, columns):
    assert image_io.columns(classes) == columns


def test_enlarge_repeats_whole_pixels():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    big = image_io.enlarge(image, least=10)
    assert big.shape == (9, 12, 1)
    np.testing.assert_array_equal(big[::3, ::3], image)
    assert (big[:3, :3] == image[0, 0]).all()
    assert image_io.enlarge(image, least=4) is not None and image_io.enlarge(image, 4).shape == (
        3,
        4,
        1,
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_png_is_lossless(tmp_path, channels):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    image_io.save_png(tmp_path / "x.png", image)
    with Image.open(tmp_path / "x.png") as found:
        assert found.mode == {1: "L", 3: "RGB"}[channels]
        np.testing.assert_array_equal(np.asarray(found).reshape(image.shape), image)


def test_path_that_cannot_be_written(tmp_path):
    with pytest.raises(RunError, match="Cannot write .*: No such file or directory"):
        image_io.save_png(tmp_path / "absent" / "x", np.zeros((2, 2, 1), np.uint8))


def test_failed_write_leaves_the_old_file(tmp_path):
    image_io.save_png(tmp_path / "x.png", np.zeros((2, 2, 1), np.uint8))
    before = (tmp_path / "x.png").read_bytes()

    with pytest.raises(TypeError):
        image_io.save_png(tmp_path / "x.png", np.zeros((2, 2, 2, 1), np.uint8))
    assert (tmp_path / "x.png").read_bytes() == before and os.listdir(tmp_path) == ["x.png"]
