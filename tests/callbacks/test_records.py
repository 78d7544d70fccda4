"""The log, when something is due, and the plot of the losses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from train_helpers import tiny

from ganbaru import train
from ganbaru.callbacks import plots
from ganbaru.report import curves
from ganbaru.report.curves import Chart, Line
from ganbaru.training import setup
from ganbaru.training.run import Every
from ganbaru.training.run_folder import Folder
from ganbaru.training.run_log import read_log

pytestmark = pytest.mark.usefixtures("real_plots")

# --- milestones -------------------------------------------------------------------------------


@given(st.integers(1, 500), st.integers(1, 300), st.integers(0, 5000), st.integers(1, 60))
def test_every_is_due_once_for_each_multiple(interval, stride, start, count):
    every = Every(interval, start)
    times = 0
    for images in range(start + stride, start + stride * (count + 1), stride):
        due = every.due(images)
        assert due == any(n % interval == 0 for n in range(images - stride + 1, images + 1))
        times += due
    end = start + stride * count
    assert times <= end // interval - start // interval
    assert times >= 1 or end // interval == start // interval


# --- log --------------------------------------------------------------------------------------


def test_log_cut_in_the_middle_of_a_line_is_read_up_to_there(tmp_path):
    run = setup.build(tiny(tmp_path))
    lines = [{"images": images, "step": 1, "seconds": 0.5} for images in (8, 16)]
    whole = "".join(json.dumps(line) + "\n" for line in lines)
    run.folder.log.write_text(whole + whole[:5])
    assert read_log(run.folder) == lines
    assert read_log(Folder(tmp_path)) == []


# --- plot -------------------------------------------------------------------------------------


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
    assert paper.shape[1:] == (960, 3)
    bluer = paper[:, :, 2] - paper[:, :, 0]
    found = {"blue": np.argwhere(bluer > 60), "red": np.argwhere(bluer < -60)}
    above = {name: places[places[:, 0] < 330] for name, places in found.items()}
    below = {name: places[places[:, 0] >= 330] for name, places in found.items()}
    # D's loss is below G's (rows count downwards); real scores rise and fake ones fall.
    left = {name: places[places[:, 1] < 700] for name, places in above.items()}  # no legend
    assert np.median(left["blue"][:, 0]) > np.median(left["red"][:, 0]) + 100
    for name, sign in (("blue", -1), ("red", 1)):
        places = below[name][below[name][:, 1] < 700]
        assert len(places) > 300
        assert sign * np.corrcoef(places.T)[0, 1] > 0.99


@pytest.mark.parametrize("prefix", ["held_out", "train"])
def test_loss_plot_draws_losses_of_one_moment(tmp_path, prefix):
    """Each stands at its height between the lines of the training losses, at 0 and at 1."""
    lines = [{"images": i, "d_loss": 0, "g_loss": 1, "real_score": 0, "fake_score": 0}
             for i in range(9)]  # fmt: skip
    for i in (2, 6):
        lines[i] |= {f"{prefix}_d_loss": 0.25, f"{prefix}_g_loss": 0.75}
    plots.losses(lines, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        paper = np.asarray(image.convert("RGB"), int)
    top, bottom = np.flatnonzero((paper.sum(axis=2) < 200).sum(axis=1) > 320)[:2]  # its frame
    paper = paper[top + 2 : bottom - 1, 90:]
    bluer = paper[:, :, 2] - paper[:, :, 0]
    blue, red = (bluer > 60).sum(axis=1), (bluer < -60).sum(axis=1)
    bottom, top = blue.argmax(), red.argmax()
    assert bottom > top + 200
    for line, height in ((blue, 0.25), (red, 0.75)):
        row = round(bottom + height * (top - bottom))
        assert line[row - 2 : row + 3].max() > 30
        assert line[row - 30 : row - 10].max() == line[row + 10 : row + 30].max() == 0
    styles = {line.name: line.style for line in curves.curves(lines, {})["losses"].lines}
    assert len(styles) == 6 and len({*styles.values()}) == 3


def log_with(*keys):
    return [{"images": i, "d_loss": 0, "g_loss": 1, "real_score": 0, "fake_score": 0}
            | dict.fromkeys(keys, 0.1 * i) for i in (1, 2)]  # fmt: skip


def lines_named(*names):
    lines = [Line(name, [(0, 1), (1, i + 2)], "C1") for i, name in enumerate(names)]
    return [Chart("y", "x", lines)] * 2


HELD_OUT = ("held_out_d_loss", "held_out_g_loss", "train_d_loss", "train_g_loss")
SCORES = ("frechet", *curves.ALL_SHARES)
CHARTS = {
    "losses": lambda path: plots.losses(log_with(*HELD_OUT), path),
    "scores": lambda path: plots.scores(log_with(*SCORES), dict.fromkeys(SCORES, 1.0), path),
    "one": lambda path: plots.draw(lines_named("a"), path, side_by_side=True),
    "none": lambda path: plots.draw(lines_named(), path, side_by_side=True),
    "long": lambda path: plots.draw(
        lines_named("W" * 300, *(f"option-{i}=" + "1.23456, " * 9 for i in range(12))),
        path, side_by_side=True),
    "odd": lambda path: plots.draw(lines_named("", "_a", "a$b^$", "$", "\u732b", "\t\n\x1b", " "),
                                   path, side_by_side=True),
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "losses",
        "none",
        "long",
        "odd",
        *(pytest.param(n, marks=pytest.mark.extended) for n in ("scores", "one")),
    ],
)
def test_a_legend_of_any_names_leaves_its_charts_their_size(tmp_path, name):
    """No warning (pytest makes them errors), nothing cut off, axes of 2 inches or more."""
    CHARTS[name](tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        dark = np.asarray(image.convert("L"), int) < 100
    height, width = dark.shape
    assert width in (960, 1320) and (height > 1000) == (name == "long")
    assert not dark[[0, -1]].any() and not dark[:, [0, -1]].any()
    assert (dark.sum(axis=1) > width / 3).sum() >= (
        2 if width == 1320 else 4
    )  # the frames' horizontal lines
    assert dark.sum(axis=0).max() > 240 * (1 if width == 1320 else 2)  # and their vertical ones


def test_loss_plot_of_a_run(tmp_path):
    run = train(tiny(tmp_path))
    with Image.open(run / "losses.png") as image:
        assert len(image.convert("RGB").getcolors(10**6)) > 50


def test_plot_of_nothing(tmp_path):
    from matplotlib._pylab_helpers import Gcf

    plots.losses([], tmp_path / "plot.png")
    assert not Gcf.figs  # no window's
    assert (tmp_path / "plot.png").stat().st_size > 1000
