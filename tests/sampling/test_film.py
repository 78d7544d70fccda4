"""Films of every format, read back: each frame is there, at the right rate, with its pixels."""

from __future__ import annotations

import importlib.util
import os
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from ganbaru import InputError
from ganbaru.sampling import video as film

HAS_AV = importlib.util.find_spec("av") is not None
needs_av = pytest.mark.skipif(not HAS_AV, reason="needs av, which is not installed")
MP4 = pytest.param(".mp4", marks=needs_av)
LOSSLESS = [".webp", ".png", ".apng", ""]
FORMATS = [*LOSSLESS, ".gif", MP4]


def _movie(path: Path) -> tuple[list[np.ndarray], float]:
    import av

    with av.open(str(path)) as found:
        video = found.streams.video[0]
        assert (video.codec.name, video.format.name) == ("h264", "yuv420p")
        decoded = list(found.decode(video=0))
        assert {int(frame.colorspace) for frame in decoded} == {5}  # BT.601, as it is encoded
        frames = [frame.to_ndarray(format="rgb24") for frame in decoded]
        return frames, float(video.duration * video.time_base)


def _folder(path: Path) -> tuple[list[np.ndarray], float]:
    names = sorted(each.name for each in path.iterdir())
    assert names == [f"{i:05d}.png" for i in range(len(names))]
    return [_animation(path / name)[0][0] for name in names], 0.0


def _animation(path: Path) -> tuple[list[np.ndarray], float]:
    with Image.open(path) as found:
        frames, time = [], 0.0
        for frame in ImageSequence.Iterator(found):
            frame.load()
            time += frame.info.get("duration", 0)
            frames.append(np.asarray(frame.convert("RGB")))
    return frames, time / 1000


def read(path: Path) -> tuple[list[np.ndarray], float]:
    """Return a film's frames as colours and its seconds (0.0 of a folder, which has none)."""
    return {".mp4": _movie, "": _folder}.get(path.suffix, _animation)(path)


def written(path: Path, frames, fps: float) -> tuple[list[np.ndarray], float]:
    film.writer(path, fps)(frames)
    return read(path)


def smooth(count: int, height: int = 16, width: int = 24, channels: int = 1) -> list[np.ndarray]:
    """Return frames of soft slopes, which a lossy film keeps nearly as they are."""
    slope = np.add.outer(np.arange(height) * 3, np.arange(width) * 2)[..., None]
    shades = [slope + 20 + 5 * i + 30 * np.arange(channels) for i in range(count)]
    return [shade.astype(np.uint8) for shade in shades]


# --- frames and rates -------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("ending", FORMATS)
def test_frames_come_back(tmp_path, ending, channels):
    frames = smooth(9, channels=channels)
    found, seconds = written(tmp_path / f"x{ending}", iter(frames), 30)
    assert len(found) == 9 and (seconds == pytest.approx(0.3, abs=1e-6) or not ending)
    least = {".mp4": 4, ".gif": 0}.get(ending, 0)
    for one, other in zip(found, frames, strict=True):
        assert np.abs(one.astype(int) - other).max() <= least


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("count", [1, 2, 70])
def test_equal_frames_are_all_kept(tmp_path, ending, count):
    found, seconds = written(tmp_path / f"x{ending}", [smooth(1)[0]] * count, 25)
    assert len(found) == count and (seconds == pytest.approx(count / 25, abs=1e-6) or not ending)


@pytest.mark.parametrize("ending", FORMATS)
def test_frames_that_come_back_to_an_earlier_one(tmp_path, ending):
    frames = smooth(2)
    found, _ = written(tmp_path / f"x{ending}", [frames[0], *frames, frames[0]] * 3, 10)
    shades = [int(each[0, 0, 0]) for each in found]
    assert [abs(shade - 20) < abs(shade - 25) for shade in shades] == [True, True, False, True] * 3


@pytest.mark.parametrize(("ending", "unit"), [(".gif", 0.01), (".webp", 0.001)])
def test_mean_rate_is_right_although_delays_are_whole(tmp_path, ending, unit):
    place = tmp_path / f"x{ending}"

    @settings(max_examples=20)
    @given(st.floats(1, 50), st.integers(1, 40))
    def check(fps, count):
        found, seconds = written(place, [np.zeros((2, 2, 1), np.uint8)] * count, fps)
        assert len(found) == count
        assert abs(seconds - count / fps) <= 0.51 * unit

    check()


@pytest.mark.parametrize(("ending", "fps"), [(".png", 29.97), (".png", 0.1), (".png", 90)])
def test_rate_that_is_a_fraction(tmp_path, ending, fps):
    _, seconds = written(tmp_path / f"x{ending}", smooth(50), fps)
    assert seconds == pytest.approx(50 / fps, rel=1e-4)


@needs_av
@pytest.mark.parametrize("fps", [0.5, 29.97, 240])
def test_rate_of_a_movie(tmp_path, fps):
    found, seconds = written(tmp_path / "x.mp4", smooth(30), fps)
    assert len(found) == 30 and seconds == pytest.approx(30 / fps, rel=1e-4)


@needs_av
@pytest.mark.parametrize("sides", [(16, 16), (15, 16), (16, 15), (1, 1), (33, 7)])
def test_odd_sides_of_a_movie_are_filled_up(tmp_path, sides):
    frames = smooth(3, *sides, channels=3)
    found, _ = written(tmp_path / "x.mp4", frames, 10)
    height, width = sides
    assert {each.shape for each in found} == {(height + height % 2, width + width % 2, 3)}
    for one, other in zip(found, frames, strict=True):
        assert np.abs(one[:height, :width].astype(int) - other).max() <= 12


@pytest.mark.parametrize("ending", [".gif", ".webp", ".png"])
def test_animations_loop_for_ever(tmp_path, ending):
    film.writer(tmp_path / f"x{ending}", 10)(smooth(3))
    with Image.open(tmp_path / f"x{ending}") as found:
        assert (found.n_frames, found.info["loop"]) == (3, 0)


@needs_av
@pytest.mark.parametrize("ending", [".gif", ".png"])
def test_another_reader_sees_the_same(tmp_path, ending):
    """FFmpeg, which knows nothing of Pillow: frames, moments and pixels."""
    import av

    frames = smooth(7, channels=3)
    film.writer(tmp_path / f"x{ending}", 12.5)(frames)
    with av.open(str(tmp_path / f"x{ending}")) as found:
        decoded = list(found.decode(video=0))
    for i, (one, other) in enumerate(zip(decoded, frames, strict=True)):
        np.testing.assert_array_equal(one.to_ndarray(format="rgb24"), other)
        assert float(one.pts * one.time_base) == pytest.approx(i / 12.5, abs=1e-4)


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", FORMATS)
def test_memory_holds_few_frames(tmp_path, ending):
    alive: list[weakref.ref] = []

    def frames():
        for _ in range(40):
            frame = np.zeros((8, 8, 1), np.uint8)
            alive.append(weakref.ref(frame))
            yield frame
            del frame
            assert sum(ref() is not None for ref in alive) <= 2

    film.writer(tmp_path / f"x{ending}", 10)(frames())
    assert len(alive) == 40


@pytest.mark.parametrize("ending", [".gif", ".webp", ".png", MP4])
def test_film_that_fails_leaves_the_old_one(tmp_path, ending):
    path = tmp_path / f"x{ending}"
    path.write_bytes(b"old")

    def frames():
        yield from smooth(3)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        film.writer(path, 10)(frames())
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == [path.name]


def test_place_is_made_and_endings_may_be_large(tmp_path):
    assert len(written(tmp_path / "a" / "b" / "X.PNG", smooth(2), 10)[0]) == 2


@pytest.mark.parametrize("name", ["x.avi", "x.jpg", "x.gif2"])
def test_unknown_ending(name):
    with pytest.raises(InputError, match=f"to {name}: give a name ending in .gif, .mp4, .webp"):
        film.writer(Path(name), 10)


@pytest.mark.parametrize(
    ("name", "fps"),
    [("x.gif", 50.5), ("x.gif", 0), ("x.gif", -3), ("x.webp", 91), ("x.png", 120),
     ("x", 0), ("x.mp4", 0.05), ("x.gif", float("nan"))],
)  # fmt: skip
def test_rate_out_of_range(name, fps):
    with pytest.raises(InputError, match=rf"--fps {fps:g} is out of range: .* takes 0.1 to \d+"):
        film.writer(Path(name), fps)


def test_fast_gif_is_told_what_plays_it():
    with pytest.raises(InputError, match="50 frames a second; browsers slow .*mp4 takes more"):
        film.writer(Path("x.gif"), 60)


def test_movie_without_its_library(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "av" else name)
    with pytest.raises(InputError, match=r"need av, .* pip install 'ganbaru\[video\]', or .*\.gif"):
        film.writer(Path("x.mp4"), 10)
    assert film.writer(Path("x.gif"), 10)


def test_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "00007.png").write_text("older")
    with pytest.raises(InputError, match="is not empty"):
        film.writer(tmp_path, 10)(smooth(2))
    assert os.listdir(tmp_path) == ["00007.png"]
