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
    assert paper.shape == (720, 960, 3)
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
        paper = np.asarray(image.convert("RGB"), int)[45:325, 90:]  # the upper axes, no legend
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


def test_a_plot_of_all_losses_leaves_room_for_its_axes(tmp_path):
    """Six names beside each other were wider than the figure, which matplotlib warned of."""
    kinds = [f"{kind}{player}_loss" for kind in ("", "held_out_", "train_") for player in "dg"]
    lines = [{"images": 64 * i, **dict.fromkeys(kinds, 0.5)} for i in range(3)]
    plots.losses(lines, tmp_path / "plot.png")
    dark = np.asarray(Image.open(tmp_path / "plot.png").convert("L")) < 64
    assert dark.mean(axis=1).max() > 0.8  # the frame of the axes


def test_loss_plot_of_a_run(tmp_path):
    run = train(tiny(tmp_path))
    with Image.open(run / "losses.png") as image:
        assert len(image.convert("RGB").getcolors(10**6)) > 50


def test_plot_of_nothing(tmp_path):
    from matplotlib._pylab_helpers import Gcf

    plots.losses([], tmp_path / "plot.png")
    assert not Gcf.figs  # no window's
    assert (tmp_path / "plot.png").stat().st_size > 1000
