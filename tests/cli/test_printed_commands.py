"""What commands print about a run is true: files, next commands, devices."""

from __future__ import annotations

import os
import re

import pytest
from train_helpers import command, tiny, trained


def test_train_prints_the_generate_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = tiny(tmp_path)
    options = "--batch 8 --width 4 --steps 2 --conditioning none --objective ralsgan"
    said = command("train", "--data", config.data, *options.split())
    assert said.code == 0
    words = re.search(r"^More images: ganbaru (.*)$", said.out, re.MULTILINE).group(1).split()
    assert command(*words).code == 0 and (tmp_path / words[-1]).exists()


def test_train_lists_files_that_exist(tmp_path):
    config = tiny(tmp_path)
    how = ["--batch", 8, "--width", 4, "--steps", 2, "--run", tmp_path / "run"]
    said = command("train", "--data", config.data, *how)
    files = re.findall(r"^  [a-z][a-z -]+ (\S+)$", said.out, re.MULTILINE)
    assert len(files) >= 5 and all(os.path.exists(name) for name in files)


@pytest.mark.parametrize("arguments", [["train", "digits", "--steps", "1"], ["generate", "run"]])
def test_missing_device_is_refused(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    trained(tmp_path, run=tmp_path / "runs" / "run", steps=1)
    said = command(*arguments, "--device", "cuda:7")
    assert said.code == 2 and "device 'cuda:7'" in said.err and said.out == ""
