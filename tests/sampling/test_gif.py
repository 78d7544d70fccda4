"""A GIF that grows: valid after every change, nothing merged, and no dearer as it gets longer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from ganbaru import InputError
from ganbaru.sampling import gif


def read(path) -> tuple[list[int], list[np.ndarray]]:
    """Return the milliseconds and the colours of a film's frames."""
    with Image.open(path) as film:
        frames = [(frame.info["duration"], np.asarray(frame.convert("RGB")))
                  for frame in ImageSequence.Iterator(film)]  # fmt: skip
    return [time for time, _ in frames], [pixels for _, pixels in frames]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("films") / "x.gif"


@given(
    shape=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    colours=st.sampled_from([1, 2, 5, 200]),
    mode=st.sampled_from(["L", "RGB"]),
    delays=st.lists(st.integers(0, gif.MOST_CENTISECONDS), min_size=1, max_size=5),
)
def test_after_every_append_the_film_is_whole(place, shape, colours, mode, delays):
    rng = np.random.default_rng(len(delays))
    depth = () if mode == "L" else (3,)
    film, wanted = gif.Gif(place), []
    for i, delay in enumerate(delays):
        palette = rng.integers(0, 256, (colours, *depth)).astype(np.uint8)
        pixels = palette[rng.integers(0, colours, shape)]
        film.append(Image.fromarray(pixels), delay)
        wanted.append(np.asarray(Image.fromarray(pixels).convert("RGB")))
        times, frames = read(place)
        assert times == [10 * delay for delay in delays[: i + 1]]
        np.testing.assert_array_equal(frames, wanted)


def test_equal_frames_are_all_kept_and_it_loops_for_ever(tmp_path):
    film = gif.Gif(tmp_path / "x.gif")
    for _ in range(7):
        film.append(Image.new("L", (6, 4), 90), 3)
    with Image.open(film.path) as found:
        assert (found.n_frames, found.size, found.info["loop"]) == (7, (6, 4), 0)


def test_an_append_writes_its_own_frame_alone(tmp_path, monkeypatch):
    """The hundredth frame is as cheap as the second: the bytes before it are not touched."""
    written: list[tuple[int, int]] = []
    write = gif.Gif._write

    def watched(film: gif.Gif, place: int, content: bytes) -> None:
        written.append((place, len(content)))
        write(film, place, content)

    monkeypatch.setattr(gif.Gif, "_write", watched)
    film = gif.Gif(tmp_path / "x.gif")
    size, costs = 0, []
    for _ in range(100):
        film.append(Image.new("L", (6, 4), 90), 3)
        assert all(place >= size - 1 for place, _ in written)
        costs.append(sum(count for _, count in written))
        written.clear()
        size = film.path.stat().st_size
    assert costs[0] == 0 and set(costs[1:]) == {costs[1]}


def test_holding_changes_the_last_delay_alone(tmp_path):
    film = gif.Gif(tmp_path / "x.gif")
    for shade in (0, 50, 100):
        film.append(Image.new("L", (5, 5), shade), 8)
        film.hold(200)
    film.hold(77)
    times, frames = read(film.path)
    assert times == [2000, 2000, 770]
    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 50, 100]


def test_a_new_film_replaces_the_old_one(tmp_path):
    for shades in ([1, 2, 3], [4]):
        film = gif.Gif(tmp_path / "x.gif")
        for shade in shades:
            film.append(Image.new("L", (5, 5), shade), 8)
    assert [int(frame[0, 0, 0]) for frame in read(film.path)[1]] == [4]


def test_an_append_cut_short_leaves_the_film_as_it_was(tmp_path, monkeypatch):
    film = gif.Gif(tmp_path / "x.gif")
    for shade in (10, 20):
        film.append(Image.new("L", (9, 9), shade), 8)
    write = gif.Gif._write

    def cut(film: gif.Gif, place: int, content: bytes) -> None:
        write(film, place, content[: len(content) // 2])
        raise InputError("No space left on device")

    with monkeypatch.context() as patch, pytest.raises(InputError):
        patch.setattr(gif.Gif, "_write", cut)
        film.append(Image.new("L", (9, 9), 30), 8)
    assert [int(frame[0, 0, 0]) for frame in read(film.path)[1]] == [10, 20]
    film.append(Image.new("L", (9, 9), 40), 8)
    assert [int(frame[0, 0, 0]) for frame in read(film.path)[1]] == [10, 20, 40]


def test_what_a_picture_carries_along_is_left_out(tmp_path):
    """A delay, a comment or a transparent colour of a file that it was read from."""
    Image.new("P", (4, 4), 3).save(
        tmp_path / "old.gif", duration=50, comment=b"words", transparency=3
    )
    film = gif.Gif(tmp_path / "x.gif")
    with Image.open(tmp_path / "old.gif") as old:
        film.append(old, 9)
    film.append(Image.new("L", (4, 4), 7), 9)
    assert read(film.path)[0] == [90, 90] and b"words" not in film.path.read_bytes()


def test_place_that_cannot_be_written(tmp_path):
    film = gif.Gif(tmp_path / "absent" / "x.gif")
    with pytest.raises(InputError, match="Cannot write .*x.gif: No such file or directory"):
        film.append(Image.new("L", (4, 4)), 5)
    grown = gif.Gif(tmp_path / "x.gif")
    grown.append(Image.new("L", (4, 4)), 5)
    grown.path.unlink()
    with pytest.raises(InputError, match="Cannot write .*x.gif: No such file or directory"):
        grown.append(Image.new("L", (4, 4)), 5)
