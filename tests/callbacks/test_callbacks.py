"""The callbacks: which are the default, their state in checkpoints, and users' own ones."""

from __future__ import annotations

import io
import os
import re

import pytest
from train_helpers import SIGNALS, command, newest, run_with, tiny

from ganbaru import InputError, callbacks, train
from ganbaru.config import to_yaml


def test_order_of_the_default_callbacks():
    """The log precedes the checkpoint, which then has no steps of the line just written."""
    display = callbacks.Display(io.StringIO())
    assert [type(each).__name__ for each in callbacks.standard(display)] == [
        "Display", "AdaptiveAugmentation", "Log", "Doctor", "EarlyStopping", "Checkpoints",
        "Samples", "CollapseAlarm", "TimeLapse", "TensorBoard", "History", "LossPlot", "HtmlReport",
    ]  # fmt: skip
    assert len(callbacks.standard()) == 12


def test_closing_lines_name_the_files_that_exist(tmp_path):
    expected = {
        "none": ["report", "sample grid", "time-lapse", "history", "loss plot", "log",
                 "checkpoint"],
        "planes": ["report", "sample grid", "time-lapse", "by class", "history", "loss plot", "log",
                   "checkpoint"],
    }  # fmt: skip
    for conditioning, names in expected.items():
        config = tiny(tmp_path, conditioning=conditioning, steps=1, run=tmp_path / conditioning)
        (tmp_path / "config.yaml").write_text(to_yaml(config))
        said = command("train", "--config", tmp_path / "config.yaml")
        found = re.findall(r"^  ([a-z][a-z -]*?) +(\S+)$", said.out, re.MULTILINE)
        assert [name for name, _ in found] == names
        assert all(os.path.exists(path) for _, path in found)


class Counter(callbacks.Callback):
    """Counts steps, over all sessions of a run."""

    count = 0

    def step(self, run, report):
        self.count += 1

    def state(self):
        return {"count": self.count}

    def restore(self, state):
        self.count = state["count"]


def test_a_callback_has_its_state_back_in_a_resumed_run(tmp_path):
    run = train(tiny(tmp_path, steps=3), [Counter(), callbacks.Checkpoints()])
    assert newest(run)[1].callbacks == {"Counter": {"count": 3}}
    resumed = Counter()
    train(tiny(tmp_path, steps=5, resume=True), [resumed, callbacks.Checkpoints()])
    assert resumed.count == 5
    train(tiny(tmp_path, steps=6, resume=True), [])  # without it, its state is left out


def test_two_callbacks_of_one_name_cannot_both_save_their_state(tmp_path):
    with pytest.raises(InputError, match="2 .*'Counter'.*name"):
        train(tiny(tmp_path), [Counter(), Counter()])
    assert not (tmp_path / "run").exists()


def test_a_callback_needs_no_base_class(tmp_path):
    seen = []

    class Plain:
        def start(self, run):
            seen.append("start")

        def step(self, run, report):
            seen.append((run.step, run.images, sorted(report)))

        def end(self, run):
            seen.append("end")

    run_with(tiny(tmp_path, steps=2), Plain())
    names = sorted({"d_loss", "fake_score", "g_loss", "real_score", *SIGNALS})
    assert seen == ["start", (1, 8, names), (2, 16, names), "end"]


@pytest.mark.parametrize("wrong", [Counter, print, None])
def test_what_is_no_callback_is_refused(tmp_path, wrong):
    with pytest.raises(InputError, match="not a callback.*start, step"):
        train(tiny(tmp_path), [wrong])
    assert not (tmp_path / "run").exists()


def test_setup_comes_before_the_old_run_is_deleted(tmp_path):
    class Refuses(callbacks.Callback):
        def setup(self, run, progress):
            raise InputError("no")

    run = train(tiny(tmp_path, steps=2), [callbacks.Checkpoints()])
    with pytest.raises(InputError, match="no"):
        train(tiny(tmp_path, steps=3, overwrite=True), [Refuses()])
    assert newest(run)[1].step == 2


def test_a_callback_can_stop_a_run_and_its_clock(tmp_path):
    class Stops(callbacks.Callback):
        def step(self, run, report):
            with run.paused():
                pass
            if run.step == 2:
                run.stop("Enough.")

    run = run_with(tiny(tmp_path), Stops())
    assert (run.step, run.stopped, run.finished) == (2, "Enough.", True)
    assert run.paused_seconds > 0
