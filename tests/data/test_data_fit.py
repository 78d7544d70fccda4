"""Cropping and resizing: geometry by property, pixels by example."""

import numpy as np
import pytest
from data_helpers import cache, random_images  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ganbaru.data.picture import centre_box, fit, fit_block, resample
from ganbaru.data.source import Target
from ganbaru.errors import InputError

sides = st.integers(1, 3000)


@given(height=sides, width=sides, new_height=sides, new_width=sides)
def test_box_is_the_largest_centred_one_of_the_wanted_proportions(
    height, width, new_height, new_width
):
    left, top, right, bottom = centre_box(height, width, (new_height, new_width))
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert (right - left) * new_height == pytest.approx((bottom - top) * new_width)
    assert left + right == pytest.approx(width) and top + bottom == pytest.approx(height)
    assert (left, right) == (0, width) or (top, bottom) == (0, height)


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    channels=st.sampled_from([1, 3, None]),
    mode=st.sampled_from(["L", "RGB"]),
    value=st.integers(0, 255),
)
def test_any_size_gives_the_wanted_shape_and_keeps_a_flat_colour(
    height, width, size, channels, mode, value
):
    flat = Image.new(mode, (width, height), value if mode == "L" else (value,) * 3)
    pixels = fit(flat, Target(size, channels))
    native = 1 if mode == "L" else 3
    assert pixels.shape == (*size, channels or native)
    assert pixels.dtype == np.uint8 and (pixels == value).all()


def test_right_size_is_left_untouched():
    images = random_images()
    assert fit_block(images, Target((8, 8), 3)) is images
    assert (fit(Image.fromarray(images[0]), Target((8, 8))) == images[0]).all()


def test_wide_picture_loses_its_left_and_right_equally():
    stripes = np.zeros((4, 8, 1), np.uint8)
    stripes[:, 2:6] = np.array([10, 20, 30, 40], np.uint8)[:, None]
    assert fit_block(stripes[None], Target((4, 4)))[0, :, :, 0].tolist() == [[10, 20, 30, 40]] * 4


def test_tall_picture_loses_its_top_and_bottom_equally():
    stripes = np.zeros((8, 4, 1), np.uint8)
    stripes[2:6] = np.array([10, 20, 30, 40], np.uint8)[:, None, None]
    assert fit_block(stripes[None], Target((4, 4)))[0, :, 0, 0].tolist() == [10, 20, 30, 40]


def test_shrinking_does_not_alias():
    """One-pixel stripes become flat grey; a filter that skips pixels would give black or white."""
    stripes = np.zeros((64, 64, 1), np.uint8)
    stripes[:, ::2] = 255
    small = fit_block(stripes[None], Target((16, 16)))[0]
    assert np.abs(small[:, 2:-2].astype(int) - 127).max() <= 3


@pytest.mark.parametrize(
    ("size", "expected"),
    [((16, 16), Image.Resampling.LANCZOS), ((4, 32), Image.Resampling.BICUBIC)],
)
def test_filter_depends_on_whether_pixels_are_made_up(size, expected):
    assert resample((0, 0, 16, 16), size) == expected


def test_enlarged_digits_keep_their_mean():
    images = random_images(3, 8, 8, 1)
    larger = fit_block(images, Target((32, 32)))
    assert larger.shape == (3, 32, 32, 1)
    assert larger.mean() == pytest.approx(images.mean(), abs=4)


def test_channels_convert_by_luma_and_by_repeating():
    red = np.zeros((1, 2, 2, 3), np.uint8)
    red[..., 0] = 255
    assert fit_block(red, Target(None, 1)).tolist() == np.full((1, 2, 2, 1), 76).tolist()  # 0.299
    grey = random_images(channels=1)
    colour = fit_block(grey, Target(None, 3))
    assert colour.shape == (6, 8, 8, 3) and (colour == grey).all()


@pytest.mark.parametrize("size", [(0, 8), (8, -1), (9000, 8)])
def test_impossible_size_is_refused(size):
    with pytest.raises(InputError, match=f"{size[0]}x{size[1]} is not possible.*--image-size 64"):
        Target(size)


def test_impossible_channels_are_refused():
    with pytest.raises(InputError, match=r"1 \(grey\), 3 \(RGB\) or 4 \(RGBA\) channels, not 5"):
        Target(None, 5)
