"""The progress display."""

from __future__ import annotations

import io
import re

import pytest
from train_helpers import run_with, tiny

from ganbaru import callbacks
from ganbaru.callbacks import progress
from ganbaru.callbacks.progress import Display
from ganbaru.training import setup

LINE = {"images": 8, "images_per_second": 9.0, "d_loss": 1, "g_loss": 1, "real_score": 1,
        "fake_score": 1}  # fmt: skip


def plain(stream) -> list[str]:
    """Return the lines of progress; the estimate, which comes once, has a test of its own."""
    lines = stream.getvalue().splitlines()
    return [line for line in lines if not line.startswith("time ")]


def test_plain_lines_do_not_flood(tmp_path):
    """1,000 lines of the log give about 20 to read: one for each twentieth of the run."""
    stream = io.StringIO()
    display = Display(stream)
    run = setup.build(tiny(tmp_path, steps=1000))
    display.start(run)
    for step in range(1, 1001):
        run.step, run.seconds = step, step / 10
        display.step(run, {})
        display.line(run, {**LINE, "images": step, "seconds": run.seconds})
    shown = [int(line.split()[0].replace(",", "")) for line in plain(stream)]
    assert shown == [1, *range(50, 1001, 50)]


def test_plain_line_says_what_matters(tmp_path):
    stream = io.StringIO()
    display = Display(stream)
    run_with(tiny(tmp_path, steps=3), display, callbacks.Log())
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
    run = setup.build(tiny(tmp_path, steps=10**9))
    display.start(run)
    for minute in range(61):
        run.seconds = 60.0 * minute
        display.step(run, {})
        display.line(run, {**LINE, "seconds": run.seconds})
    clocks = [line.split("  ")[1] for line in plain(stream)]
    assert clocks == ["0:00", "10:00", "20:00", "30:00", "40:00", "50:00", "1:00:00"]


def test_time_left_goes_by_the_pace_of_this_session(tmp_path):
    """Half done in 100 hours on a slow machine, then a tenth in an hour: 4 hours are left."""
    stream = io.StringIO()
    display = Display(stream)
    run = setup.build(tiny(tmp_path, steps=100))
    run.step, run.seconds = 50, 360_000.0
    display.start(run)
    run.step, run.seconds = 60, 363_600.0
    display.step(run, {})
    display.line(run, {**LINE, "seconds": run.seconds})
    assert "101:00:00  4:00:00 left" in stream.getvalue()


class Broken(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text):
        raise BrokenPipeError


def test_training_outlives_the_reader_of_its_lines(tmp_path):
    display = Display(Broken())
    run = run_with(tiny(tmp_path), display, callbacks.Log())
    assert run.step == 12


@pytest.mark.parametrize(("seconds", "clock"), [(0, "0:00"), (59.6, "1:00"), (3661, "1:01:01")])
def test_clock(seconds, clock):
    assert progress.clock(seconds) == clock
