"""A folder of good and bad files, and of runs, for the tests of messages."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from bad_input_helpers import MODULES, YAML, make_data
from train_helpers import trained


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    make_data(folder)
    for name, text in {**YAML, **MODULES}.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\xff\xfe\x00" if text is None else text.encode())
    options = {"data": "good.npz", "steps": 2}
    before = os.getcwd()
    os.chdir(folder)
    try:
        trained(folder, run="a", **options)
        trained(folder, run="plain", conditioning="none", **options)
    finally:
        os.chdir(before)
    damaged = folder / "runs" / "damaged"
    shutil.copytree(folder / "runs" / "a", damaged)
    (checkpoint,) = (damaged / "checkpoints").iterdir()
    checkpoint.write_bytes(checkpoint.read_bytes()[:3000])
    shutil.copytree(folder / "runs" / "a", folder / "runs" / "bare")
    shutil.rmtree(folder / "runs" / "bare" / "checkpoints")
    (folder / "file").write_text("not a folder")
    (folder / "full").mkdir()
    (folder / "full" / "thesis.txt").write_text("words")
    (folder / "pictures.npz").unlink(missing_ok=True)
    return folder


@pytest.fixture
def here(place, monkeypatch) -> Path:
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(str(place))
    return place
