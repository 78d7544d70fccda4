"""GIFs that grow: valid after every change, no frames merged, constant cost of an append."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from ganbaru import RunError
from ganbaru.sampling import gif


def read(path) -> tuple[list[int], list[np.ndarray]]:
    """Return the delays in milliseconds and the RGB pixels of the frames."""
    with Image.open(path) as animation:
        frames = [(frame.info["duration"], np.asarray(frame.convert("RGB")))
                  for frame in ImageSequence.Iterator(animation)]  # fmt: skip
    return [time for time, _ in frames], [pixels for _, pixels in frames]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("gifs") / "x.gif"


@given(
    shape=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    colours=st.sampled_from([1, 2, 5, 200]),
    mode=st.sampled_from(["L", "RGB"]),
    delays=st.lists(st.integers(0, 2**16 - 1), min_size=1, max_size=5),
)
def test_file_is_complete_after_every_append(place, shape, colours, mode, delays):
    rng = np.random.default_rng(len(delays))
    depth = () if mode == "L" else (3,)
    grown, expected = gif.Gif(place), []
    for i, delay in enumerate(delays):
        palette = rng.integers(0, 256, (colours, *depth)).astype(np.uint8)
        pixels = palette[rng.integers(0, colours, shape)]
        grown.append(Image.fromarray(pixels), delay)
        expected.append(np.asarray(Image.fromarray(pixels).convert("RGB")))
        times, frames = read(place)
        assert times == [10 * delay for delay in delays[: i + 1]]
        np.testing.assert_array_equal(frames, expected)


def test_equal_frames_are_all_stored_and_it_loops_for_ever(tmp_path):
    animation = gif.Gif(tmp_path / "x.gif")
    for _ in range(7):
        animation.append(Image.new("L", (6, 4), 90), 3)
    with Image.open(animation.path) as found:
        assert (found.n_frames, found.size, found.info["loop"]) == (7, (6, 4), 0)


def test_append_writes_only_its_own_frame(tmp_path, monkeypatch):
    """The hundredth frame costs as much as the second: the bytes before it are not touched."""
    written: list[tuple[int, int]] = []
    write = gif.Gif._write

    def watched(animation: gif.Gif, place: int, content: bytes) -> None:
        written.append((place, len(content)))
        write(animation, place, content)

    monkeypatch.setattr(gif.Gif, "_write", watched)
    animation = gif.Gif(tmp_path / "x.gif")
    size, costs = 0, []
    for _ in range(100):
        animation.append(Image.new("L", (6, 4), 90), 3)
        assert all(place >= size - 1 for place, _ in written)
        costs.append(sum(count for _, count in written))
        written.clear()
        size = animation.path.stat().st_size
    assert costs[0] == 0 and set(costs[1:]) == {costs[1]}


def test_hold_changes_only_the_last_delay(tmp_path):
    animation = gif.Gif(tmp_path / "x.gif")
    for shade in (0, 50, 100):
        animation.append(Image.new("L", (5, 5), shade), 8)
        animation.hold(200)
    animation.hold(77)
    times, frames = read(animation.path)
    assert times == [2000, 2000, 770]
    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 50, 100]


def test_new_gif_replaces_the_old_file(tmp_path):
    for shades in ([1, 2, 3], [4]):
        animation = gif.Gif(tmp_path / "x.gif")
        for shade in shades:
            animation.append(Image.new("L", (5, 5), shade), 8)
    assert [int(frame[0, 0, 0]) for frame in read(animation.path)[1]] == [4]


def test_interrupted_append_leaves_the_gif_as_it_was(tmp_path, monkeypatch):
    animation = gif.Gif(tmp_path / "x.gif")
    for shade in (10, 20):
        animation.append(Image.new("L", (9, 9), shade), 8)
    write = gif.Gif._write

    def cut(animation: gif.Gif, place: int, content: bytes) -> None:
        write(animation, place, content[: len(content) // 2])
        raise RunError("No space left on device")

    with monkeypatch.context() as patch, pytest.raises(RunError):
        patch.setattr(gif.Gif, "_write", cut)
        animation.append(Image.new("L", (9, 9), 30), 8)
    assert [int(frame[0, 0, 0]) for frame in read(animation.path)[1]] == [10, 20]
    animation.append(Image.new("L", (9, 9), 40), 8)
    assert [int(frame[0, 0, 0]) for frame in read(animation.path)[1]] == [10, 20, 40]


def test_metadata_of_a_source_image_is_left_out(tmp_path):
    """A delay, a comment or a transparent colour of the file that it was read from."""
    Image.new("P", (4, 4), 3).save(
        tmp_path / "old.gif", duration=50, comment=b"words", transparency=3
    )
    animation = gif.Gif(tmp_path / "x.gif")
    with Image.open(tmp_path / "old.gif") as old:
        animation.append(old, 9)
    animation.append(Image.new("L", (4, 4), 7), 9)
    assert read(animation.path)[0] == [90, 90] and b"words" not in animation.path.read_bytes()


def test_path_that_cannot_be_written(tmp_path):
    animation = gif.Gif(tmp_path / "absent" / "x.gif")
    with pytest.raises(RunError, match="Cannot write .*x.gif: No such file or directory"):
        animation.append(Image.new("L", (4, 4)), 5)
    grown = gif.Gif(tmp_path / "x.gif")
    grown.append(Image.new("L", (4, 4)), 5)
    grown.path.unlink()
    with pytest.raises(RunError, match="Cannot write .*x.gif: No such file or directory"):
        grown.append(Image.new("L", (4, 4)), 5)
