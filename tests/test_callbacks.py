"""What a run shows while it lasts, and the plot and film at its end."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from train_helpers import grids, tiny, trained

from ganbaru import callbacks, media, plots, training
from ganbaru.callbacks import Display, Every, read_log

# --- milestones -------------------------------------------------------------------------------


@given(st.integers(1, 500), st.integers(1, 300), st.integers(0, 5000), st.integers(1, 60))
def test_every_tells_each_multiple_once(interval, stride, start, count):
    every = Every(interval, start)
    told = 0
    for images in range(start + stride, start + stride * (count + 1), stride):
        due = every.due(images)
        assert due == any(n % interval == 0 for n in range(images - stride + 1, images + 1))
        told += due
    end = start + stride * count
    assert told <= end // interval - start // interval
    assert told >= 1 or end // interval == start // interval


def test_order_of_habits():
    """The log comes before the checkpoint, which then holds nothing of the line just written."""
    names = [type(habit).__name__ for habit in callbacks.standard(Display(io.StringIO()))]
    assert names == ["Display", "Log", "Checkpoints", "Samples", "LossPlot"]
    assert len(callbacks.standard()) == 4


# --- plain display ----------------------------------------------------------------------------


LINE = {"images": 8, "images_per_second": 9.0, "d_loss": 1, "g_loss": 1, "real_score": 1,
        "fake_score": 1}  # fmt: skip


def test_plain_lines_do_not_flood(tmp_path):
    """1,000 lines of the log give about 20 to read: one for each twentieth of the run."""
    stream = io.StringIO()
    display = Display(stream)
    run = training.build(tiny(tmp_path, steps=1000))
    display.start(run)
    for step in range(1, 1001):
        run.step, run.seconds = step, step / 10
        display.step(run, {})
        display.line({**LINE, "images": step, "seconds": run.seconds})
    shown = [int(line.split()[0].replace(",", "")) for line in stream.getvalue().splitlines()]
    assert shown == [1, *range(50, 1001, 50)]


def test_plain_line_says_what_matters(tmp_path):
    stream = io.StringIO()
    display = Display(stream)
    run = training.build(tiny(tmp_path, steps=3))
    training.loop(run, [display, callbacks.Log([display.line])], lambda: False)
    (line,) = stream.getvalue().splitlines()
    number = r"[+-]?\d+\.\d+"
    assert re.fullmatch(
        rf"24 images  0:0\d  0:00 left  \d+/s  D {number}  G {number}  "
        rf"real {number}  fake {number}",
        line,
    )


def test_long_run_shows_life_every_ten_minutes(tmp_path):
    stream = io.StringIO()
    display = Display(stream)
    run = training.build(tiny(tmp_path, steps=10**9))
    display.start(run)
    for minute in range(61):
        run.seconds = 60.0 * minute
        display.step(run, {})
        display.line({**LINE, "seconds": run.seconds})
    clocks = [line.split("  ")[1] for line in stream.getvalue().splitlines()]
    assert clocks == ["0:00", "10:00", "20:00", "30:00", "40:00", "50:00", "1:00:00"]


def test_time_left_goes_by_the_pace_of_this_session(tmp_path):
    """Half done in 100 hours on a slow machine, then a tenth in an hour: 4 hours are left."""
    stream = io.StringIO()
    display = Display(stream)
    run = training.build(tiny(tmp_path, steps=100))
    run.step, run.seconds = 50, 360_000.0
    display.start(run)
    run.step, run.seconds = 60, 363_600.0
    display.step(run, {})
    display.line({**LINE, "seconds": run.seconds})
    assert "101:00:00  4:00:00 left" in stream.getvalue()


class Broken(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text):
        raise BrokenPipeError


def test_training_outlives_the_reader_of_its_lines(tmp_path):
    display = Display(Broken())
    run = training.build(tiny(tmp_path))
    training.loop(run, [display, callbacks.Log([display.line])], lambda: False)
    assert run.step == 12


# --- log --------------------------------------------------------------------------------------


def test_log_cut_in_the_middle_of_a_line_is_read_up_to_there(tmp_path):
    run = training.build(tiny(tmp_path))
    run.folder.log.write_text('{"images": 8}\n{"images": 16}\n{"ima')
    assert read_log(run) == [{"images": 8}, {"images": 16}]
    assert read_log(replace(run, folder=training.Folder(tmp_path))) == []


# --- film and plot ----------------------------------------------------------------------------


def test_timelapse_is_the_grids(tmp_path):
    run = trained(tmp_path)
    drawn = sorted(grids(run))
    assert drawn == [0, 40, 80, 96]
    with Image.open(run / "timelapse.gif") as film:
        assert film.n_frames == 4 and film.info["loop"] == 0
        for frame, images in enumerate(drawn):
            film.seek(frame)
            with Image.open(run / "samples" / f"{images:010d}.png") as grid:
                assert film.size == grid.size
                difference = np.asarray(film.convert("L"), int) - np.asarray(grid, int)
                # A GIF holds 256 colours, which is all that a grey picture has.
                assert np.abs(difference).max() <= 1


def test_long_film_is_thinned_and_ends_with_the_last_grid(tmp_path):
    paths = []
    for i in range(250):
        paths.append(tmp_path / f"{i:03d}.png")
        media.save_png(paths[-1], np.full((2, 2, 1), i, np.uint8))
    shades = [int(np.asarray(frame)[0, 0]) for frame in media.evenly(paths, most=120)]
    assert len(shades) <= 121 and shades[0] == 0 and shades[-1] == 249
    assert set(np.diff(shades[:-1])) == {3}
    assert [np.asarray(f)[0, 0] for f in media.evenly(paths[:5], most=120)] == [0, 1, 2, 3, 4]


def test_loss_plot_draws_every_series(tmp_path):
    """Each of the four lines puts its colour on the paper, where the numbers are."""
    rising = np.linspace(0, 1, 50)
    flat = [
        {"images": 64 * i, "d_loss": 0.2, "g_loss": 0.8, "real_score": x, "fake_score": -x}
        for i, x in enumerate(rising)
    ]
    plots.losses(flat, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        paper = np.asarray(image.convert("RGB"), int)
    assert paper.shape == (720, 960, 3)
    bluer = paper[:, :, 2] - paper[:, :, 0]
    found = {"blue": np.argwhere(bluer > 60), "red": np.argwhere(bluer < -60)}
    above = {name: places[places[:, 0] < 330] for name, places in found.items()}
    below = {name: places[places[:, 0] >= 330] for name, places in found.items()}
    # D's loss lies below G's (rows count downwards); real scores rise and fake ones fall.
    left = {name: places[places[:, 1] < 700] for name, places in above.items()}  # no legend
    assert np.median(left["blue"][:, 0]) > np.median(left["red"][:, 0]) + 100
    for name, sign in (("blue", -1), ("red", 1)):
        places = below[name][below[name][:, 1] < 700]
        assert len(places) > 300
        assert sign * np.corrcoef(places.T)[0, 1] > 0.99


def test_loss_plot_of_a_run(tmp_path):
    run = training.train(tiny(tmp_path))
    with Image.open(run / "losses.png") as image:
        assert len(image.convert("RGB").getcolors(10**6)) > 50


def test_plot_of_nothing(tmp_path):
    plots.losses([], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000


@pytest.mark.parametrize(("seconds", "clock"), [(0, "0:00"), (59.6, "1:00"), (3661, "1:01:01")])
def test_clock(seconds, clock):
    assert callbacks._clock(seconds) == clock
