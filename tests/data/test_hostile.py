"""Hostile image sets: refused or left out in one message, at once, with little memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import hostile_data
import pytest

import ganbaru

SOURCE = Path(ganbaru.__file__).parent
# Harmless, once what is hostile about them is left out or not taken up.
READ = {
    *("picture_flat_jpeg", "npy_surplus", "npz_surplus", "linked_labels_are_a_device"),
    *("zip_odd_names", "tar_device", "tar_link", "idx_label_gap", "labels_gap"),
}
LEFT_OUT = {"folder_with_fifos", "tar_sparse", "lzma_in_zip"}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, dict]:
    """Load every hostile set in a process of limited memory; one that is killed has no outcome."""
    root = tmp_path_factory.mktemp("hostile")
    ghostscript = root / "bin" / "gs"
    ghostscript.parent.mkdir()
    ghostscript.write_text("#!/bin/sh\nexit 0\n")
    ghostscript.chmod(0o700)
    environment = os.environ | {
        "GANBARU_CACHE": str(root / "cache"),
        "MALLOC_ARENA_MAX": "1",  # others take 64 MB of addresses for each thread
        "PATH": f"{ghostscript.parent}:{os.environ['PATH']}",
    }
    found: dict[str, dict] = {}
    left = [*hostile_data.CASES]
    while left:
        done = subprocess.run(
            [sys.executable, hostile_data.__file__, root, *left],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        found |= {line["name"]: line for line in lines}
        assert lines or done.returncode < 0, done.stderr.decode()
        left = left[len(lines) + 1 :]
    subprocess.run(["rm", "-rf", root / "deep_folders"], check=True)  # too deep for pytest
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@pytest.mark.parametrize("name", hostile_data.CASES)
def test_hostile_set_is_refused_or_left_out(outcomes, name):
    assert name in outcomes, "killed: it took 10 seconds, or waited for one minute"
    found = outcomes[name]
    expected = "left out" if name.startswith("picture_") or name in LEFT_OUT else "refused"
    assert found["result"] == ("read" if name in READ else expected), found
    assert found["seconds"] < 2 and found["megabytes"] < 300, found
    assert not found["started"] and "MemoryError" not in found["text"], found
    assert len(found["text"]) < 700 or name == "long_name"


def test_pictures_are_opened_in_one_place_and_no_process_is_started():
    texts = {path.name: path.read_text("utf-8") for path in SOURCE.rglob("*.py")}
    opening = re.compile(r"\bImage\.open\(|import open\b|imread\(|Image\.init\(")
    assert [name for name, text in texts.items() if opening.search(text)] == ["picture_file.py"]
    starting = re.compile(
        r"\bsubprocess\b|os\.(system|popen|exec|spawn|fork)|shutil\.which|\bpty\."
    )
    found = [name for name, text in texts.items() if starting.search(text)]
    # One looks for the commands that messages name; the other starts this program again, in UTF-8.
    assert sorted(found) == ["errors.py", "streams.py"]
