"""The habits of a run: which there are, in which order, and what they leave in its folder."""

from __future__ import annotations

import io
import os
import re

from train_helpers import command, tiny

from ganbaru import callbacks
from ganbaru.config import to_yaml


def test_order_of_habits():
    """The log comes before the checkpoint, which then holds nothing of the line just written."""
    names = [type(habit).__name__ for habit in callbacks.standard(callbacks.Display(io.StringIO()))]
    assert names == ["Display", "Log", "Checkpoints", "Samples", "History", "LossPlot", "Report"]
    assert len(callbacks.standard()) == 6


def test_closing_lines_name_what_there_is(tmp_path):
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
        found = re.findall(r"^  ([a-z -]+?) +(\S+)$", said.out, re.MULTILINE)
        assert [name for name, _ in found] == names
        assert all(os.path.exists(path) for _, path in found)
