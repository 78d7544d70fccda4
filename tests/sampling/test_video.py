"""Videos of every format, read back: frames, rates and pixels."""

from __future__ import annotations

import importlib.util
import os
import re
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from ganbaru import InputError
from ganbaru.sampling import video

HAS_AV = importlib.util.find_spec("av") is not None
needs_av = pytest.mark.skipif(not HAS_AV, reason="needs av, which is not installed")
MP4 = pytest.param(".mp4", marks=needs_av)
MERGED = [".webp", ".png", ".apng"]  # Pillow stores equal frames once, with a longer delay
STREAMED = ["", ".gif", MP4]
FORMATS = [*MERGED, *STREAMED]


def _mp4(path: Path) -> tuple[list[np.ndarray], list[float]]:
    import av

    with av.open(str(path)) as found:
        stream = found.streams.video[0]
        assert (stream.codec.name, stream.format.name) == ("h264", "yuv420p")
        decoded = list(found.decode(video=0))
        assert {int(frame.colorspace) for frame in decoded} == {5}  # BT.601, as it is encoded
        frames = [frame.to_ndarray(format="rgb24") for frame in decoded]
        seconds = float(stream.duration * stream.time_base)
        return frames, [seconds / len(frames)] * len(frames)


def _folder(path: Path) -> tuple[list[np.ndarray], list[float]]:
    names = sorted(each.name for each in path.iterdir())
    assert names == [f"{i:05d}.png" for i in range(len(names))]
    return [_animation(path / name)[0][0] for name in names], [0.0] * len(names)


def _animation(path: Path) -> tuple[list[np.ndarray], list[float]]:
    with Image.open(path) as found:
        frames, delays = [], []
        for frame in ImageSequence.Iterator(found):
            frame.load()
            delays.append(frame.info.get("duration", 0) / 1000)
            frames.append(np.asarray(frame.convert("RGB")))
    return frames, delays


def read(path: Path) -> tuple[list[np.ndarray], list[float]]:
    """Return a video's stored frames as RGB and their delays in seconds (0 in a folder)."""
    return {".mp4": _mp4, "": _folder}.get(path.suffix, _animation)(path)


def written(path: Path, frames, fps: float) -> tuple[list[np.ndarray], float]:
    """Write a video; return its stored frames and its duration in seconds."""
    video.writer(path, fps)(frames)
    found, delays = read(path)
    return found, sum(delays)


def shown(path: Path, count: int, fps: float) -> list[np.ndarray]:
    """Return what is on the screen in the middle of each of `count` frames at `fps`."""
    frames, delays = read(path)
    if not any(delays):  # a folder, or a still image
        return frames if path.suffix == "" else frames * count
    ends = np.cumsum(delays)
    return [frames[np.searchsorted(ends, (i + 0.5) / fps)] for i in range(count)]


def smooth(count: int, height: int = 16, width: int = 24, channels: int = 1) -> list[np.ndarray]:
    """Return frames of smooth gradients, which a lossy video changes little."""
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


@pytest.mark.parametrize("ending", STREAMED)
@pytest.mark.parametrize("count", [1, 2, 70])
def test_streamed_formats_store_every_equal_frame(tmp_path, ending, count):
    found, seconds = written(tmp_path / f"x{ending}", [smooth(1)[0]] * count, 25)
    assert len(found) == count and (seconds == pytest.approx(count / 25, abs=1e-6) or not ending)


@pytest.mark.parametrize("ending", MERGED)
def test_merged_frames_are_shown_for_their_whole_time(tmp_path, ending):
    one, two, three = smooth(3)
    frames = [one] * 5 + [two] + [one] * 2 + [three] * 40
    found, seconds = written(tmp_path / f"x{ending}", frames, 25)
    assert len(found) == 4 and seconds == pytest.approx(48 / 25, abs=1e-6)
    looks = shown(tmp_path / f"x{ending}", 48, 25)
    np.testing.assert_array_equal(looks, np.broadcast_to(frames, (48, 16, 24, 3)))


@pytest.mark.parametrize("ending", MERGED)
@pytest.mark.parametrize("count", [1, 2, 70])
def test_equal_frames_alone_become_a_still_image(tmp_path, ending, count):
    found, _ = written(tmp_path / f"x{ending}", [smooth(1)[0]] * count, 25)
    np.testing.assert_array_equal(found, [np.broadcast_to(smooth(1)[0], (16, 24, 3))])


@pytest.mark.parametrize("ending", FORMATS)
def test_frames_that_return_to_an_earlier_one(tmp_path, ending):
    frames = smooth(2)
    video.writer(tmp_path / f"x{ending}", 10)([frames[0], *frames, frames[0]] * 3)
    shades = [int(each[0, 0, 0]) for each in shown(tmp_path / f"x{ending}", 12, 10)]
    assert [abs(shade - 20) < abs(shade - 25) for shade in shades] == [True, True, False, True] * 3


@pytest.mark.parametrize(("ending", "unit"), [(".gif", 0.01), (".webp", 0.001)])
def test_mean_rate_is_right_although_delays_are_whole_numbers(tmp_path, ending, unit):
    place = tmp_path / f"x{ending}"

    @settings(max_examples=20)
    @given(st.floats(1, 50), st.integers(2, 40))
    def check(fps, count):
        frames = [np.full((2, 2, 1), 200 * (i % 2), np.uint8) for i in range(count)]
        found, seconds = written(place, frames, fps)
        assert len(found) == count
        assert abs(seconds - count / fps) <= 0.51 * unit

    check()


@pytest.mark.parametrize(("ending", "fps"), [(".png", 29.97), (".png", 0.1), (".png", 90)])
def test_rate_that_is_a_fraction(tmp_path, ending, fps):
    _, seconds = written(tmp_path / f"x{ending}", smooth(50), fps)
    assert seconds == pytest.approx(50 / fps, rel=1e-4)


@needs_av
@pytest.mark.parametrize("fps", [0.5, 29.97, 240])
def test_rate_of_an_mp4(tmp_path, fps):
    found, seconds = written(tmp_path / "x.mp4", smooth(30), fps)
    assert len(found) == 30 and seconds == pytest.approx(30 / fps, rel=1e-4)


@needs_av
@pytest.mark.parametrize("sides", [(16, 16), (15, 16), (16, 15), (1, 1), (33, 7)])
def test_odd_sides_of_an_mp4_are_padded(tmp_path, sides):
    frames = smooth(3, *sides, channels=3)
    found, _ = written(tmp_path / "x.mp4", frames, 10)
    height, width = sides
    assert {each.shape for each in found} == {(height + height % 2, width + width % 2, 3)}
    for one, other in zip(found, frames, strict=True):
        assert np.abs(one[:height, :width].astype(int) - other).max() <= 12


@pytest.mark.parametrize("ending", [".gif", ".webp", ".png"])
def test_animations_loop_for_ever(tmp_path, ending):
    video.writer(tmp_path / f"x{ending}", 10)(smooth(3))
    with Image.open(tmp_path / f"x{ending}") as found:
        assert (found.n_frames, found.info["loop"]) == (3, 0)


@needs_av
@pytest.mark.parametrize("ending", [".gif", ".png"])
def test_another_reader_sees_the_same(tmp_path, ending):
    """FFmpeg, independent of Pillow: frames, times and pixels."""
    import av

    frames = smooth(7, channels=3)
    video.writer(tmp_path / f"x{ending}", 12.5)(frames)
    with av.open(str(tmp_path / f"x{ending}")) as found:
        decoded = list(found.decode(video=0))
    for i, (one, other) in enumerate(zip(decoded, frames, strict=True)):
        np.testing.assert_array_equal(one.to_ndarray(format="rgb24"), other)
        assert float(one.pts * one.time_base) == pytest.approx(i / 12.5, abs=1e-4)


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", STREAMED)
def test_memory_holds_few_frames(tmp_path, ending):
    alive: list[weakref.ref] = []

    def frames():
        for _ in range(40):
            frame = np.zeros((8, 8, 1), np.uint8)
            alive.append(weakref.ref(frame))
            yield frame
            del frame
            assert sum(ref() is not None for ref in alive) <= 2

    video.writer(tmp_path / f"x{ending}", 10)(frames())
    assert len(alive) == 40


@pytest.mark.parametrize("ending", MERGED)
def test_formats_that_hold_all_frames_have_a_bound(tmp_path, ending, monkeypatch):
    monkeypatch.setattr(video, "MAX_BYTES", 9 * 16 * 24)
    assert len(written(tmp_path / f"x{ending}", smooth(9), 10)[0]) == 9
    before, seen = (tmp_path / f"x{ending}").read_bytes(), []
    with pytest.raises(InputError, match=r"GiB of pixels\. Choose \.mp4 or \.gif"):
        video.writer(tmp_path / f"x{ending}", 10)(seen.append(x) or x for x in smooth(40))
    assert len(seen) == 10 and (tmp_path / f"x{ending}").read_bytes() == before


@pytest.mark.parametrize("ending", [".gif", ".webp", ".png", MP4])
def test_failed_video_leaves_the_old_file(tmp_path, ending):
    path = tmp_path / f"x{ending}"
    path.write_bytes(b"old")

    def frames():
        yield from smooth(3)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        video.writer(path, 10)(frames())
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == [path.name]


def test_folders_are_created_and_endings_may_be_upper_case(tmp_path):
    assert len(written(tmp_path / "a" / "b" / "X.PNG", smooth(2), 10)[0]) == 2


@pytest.mark.parametrize("name", ["x.avi", "x.jpg", "x.gif2"])
def test_unknown_ending(name):
    with pytest.raises(InputError, match=rf"{name}: .*\.gif, \.mp4, \.webp"):
        video.writer(Path(name), 10)


@pytest.mark.parametrize(
    ("name", "fps"),
    [("x.gif", 50.5), ("x.gif", 0), ("x.gif", -3), ("x.webp", 91), ("x.png", 120),
     ("x", 0), ("x.mp4", 0.05), ("x.gif", float("nan"))],
)  # fmt: skip
def test_rate_out_of_range(name, fps):
    with pytest.raises(InputError, match=rf"--fps {fps:g} .* 0\.1 to \d+"):
        video.writer(Path(name), fps)


def test_gif_too_fast_for_browsers_names_mp4():
    with pytest.raises(InputError, match=r"0\.1 to 50 frames a second.*browsers.*\.mp4"):
        video.writer(Path("x.gif"), 60)


def test_mp4_without_its_library(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "av" else name)
    with pytest.raises(InputError, match=r"needs av, .*\.gif.*'ganbaru\[video\]'"):
        video.writer(Path("x.mp4"), 10)
    assert video.writer(Path("x.gif"), 10)


@pytest.mark.parametrize("name", ["00007.png", "notes.txt", "7.png"])
def test_a_folder_with_other_files_is_refused(tmp_path, name):
    video.writer(tmp_path, 10)(smooth(2))
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=re.escape(name)):
        video.writer(tmp_path, 10)(smooth(3))
    assert sorted(os.listdir(tmp_path)) == sorted(["00000.png", "00001.png", name])


def test_a_folder_of_own_frames_is_replaced(tmp_path):
    video.writer(tmp_path, 10)(smooth(3))
    video.writer(tmp_path, 10)(smooth(2))
    assert sorted(os.listdir(tmp_path)) == ["00000.png", "00001.png"]


def test_former_names_of_modules_still_work():
    from ganbaru import film, importing, media
    from ganbaru.export import pytorch_import
    from ganbaru.sampling import image_io

    assert (film, importing, media) == (video, pytorch_import, image_io)
