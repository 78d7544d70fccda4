"""What -o may replace: files that ganbaru wrote; anything else only with --overwrite."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from train_helpers import command, needs_posix, pictures, trained

from ganbaru import conformance, files
from ganbaru.cli.main import COMMANDS
from ganbaru.errors import InputError, RunError

GENERATE = ["generate", "run", "-n", 3]
MORPH = ["morph", "run", "--frames", 3, "--size", 16]
# Command, -o, and the files that it writes there.
OUTPUTS = {
    "grid": (GENERATE, "x.png", [""]),
    "arrays": (GENERATE, "x.npz", [""]),
    "each": (GENERATE, "out", ["seed00000000-label0.png", "seed00000002-label2.png"]),
    "gif": (MORPH, "x.gif", [""]),
    "mp4": (MORPH, "x.mp4", [""]),
    "webp": (MORPH, "x.webp", [""]),
    "apng": (MORPH, "x.apng", [""]),
    "onnx": (["export", "run"], "x.onnx", [""]),
    "page": (["export", "run"], "x.html", [""]),
    "weights": (["export", "run"], "x.safetensors", [""]),
    "shared": (["export", "run"], "out", ["README.md", "config.json", "model.safetensors"]),
    "sheet": (["data", "pictures.npz"], "x.png", [""]),
    "checks": (["conformance", "--engines", "numpy"], "x.json", [""]),
    "copies": (["authenticity", "run"], "out", ["result.json", "neighbours.png"]),
}
NEEDS = {"mp4": "av", "onnx": "onnx"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run, and what each command writes once."""
    folder = tmp_path_factory.mktemp("outputs")
    pictures(folder / "pictures.npz", count=120)
    trained(folder, steps=1)
    (folder / "runs").mkdir()
    shutil.move(folder / "run", folder / "runs" / "run")
    return folder


@pytest.fixture
def here(place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr(
        conformance, "check", lambda *ignored: conformance.Findings({"numpy": "1"}, "numpy", [])
    )
    yield place
    for path in place.iterdir():
        if path.name not in ("runs", "pictures.npz"):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@pytest.mark.parametrize("case", OUTPUTS)
def test_own_files_are_replaced_and_others_only_on_request(here, case):
    if case in NEEDS:
        pytest.importorskip(NEEDS[case])
    words, name, parts = OUTPUTS[case]
    out = here / name
    words = [*words, "-o", name]
    assert command(*words).code == 0
    written = [out / part if part else out for part in parts]
    assert all(map(files.is_ours, written))
    if case != "copies":
        assert command(*words).code == 0  # its own file
    for path in written:
        ours = path.read_bytes()
        path.write_bytes(b"someone's notes")
        said = command(*words)
        assert (said.code, path.read_bytes()) == (2, b"someone's notes")
        assert path.name in said.err and "--overwrite" in said.err
        path.write_bytes(ours)
    written[0].write_bytes(b"someone's notes")
    assert command(*words, "--overwrite").code == 0 and files.is_ours(written[0])


def test_every_command_with_an_output_has_the_flag():
    """But `compare`, which goes on with what is in its folder, or refuses it."""
    for name in COMMANDS:
        page = command(name, "--help").out
        if "--output" in page and name != "compare":
            assert "--overwrite" in page, name


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"\x89PNG\r\n\x1a\n",
        b"PK\3\4ganbaru",
        b"GIF89a",
        b"{}",
        b"---\nlibrary_name: ganbaru\n",
    ],
)
def test_what_is_not_ours(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match="--overwrite"):
        files.output(tmp_path / "x", overwrite=False)
    assert files.output(tmp_path / "x", overwrite=True) == tmp_path / "x"


def test_an_edited_card_is_the_users(tmp_path):
    (tmp_path / "x").write_text(files.signed("---\ntext\n---\n# Title"))
    assert files.is_ours(tmp_path / "x")
    (tmp_path / "x").write_text((tmp_path / "x").read_text().replace("Title", "My title"))
    assert not files.is_ours(tmp_path / "x")


def test_an_empty_file_is_free(tmp_path):
    (tmp_path / "x").touch()
    assert files.output(tmp_path / "x", overwrite=False)


def test_parts_of_a_run_are_no_outputs(here):
    before = {path: path.read_bytes() for path in (here / "runs").rglob("*") if path.is_file()}
    for words, out in ((["export", "run"], "checkpoints/0000000008.safetensors"),
                       (GENERATE, "samples/0000000000.png")):  # fmt: skip
        assert command(*words, "-o", f"runs/run/{out}").code == 2
    assert {path: path.read_bytes() for path in before} == before


@needs_posix
@pytest.mark.parametrize("dangling", [False, True])
def test_a_links_target_is_written_and_the_link_stays(here, dangling):
    (here / "there").mkdir()
    if not dangling:
        assert command(*GENERATE, "-o", "there/y.png").code == 0
    (here / "x.png").symlink_to("there/y.png")
    assert command(*GENERATE, "-o", "x.png").code == 0
    assert os.readlink(here / "x.png") == "there/y.png" and files.is_ours(here / "there/y.png")
    (here / "there/y.png").write_text("words")
    assert command(*GENERATE, "-o", "x.png").code == 2


@needs_posix
@pytest.mark.parametrize("kind", ["fifo", "folder", "loop", "device"])
def test_what_is_no_file_is_refused_at_once(here, kind):
    path = here / "x.png"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("x.png" if kind == "loop" else "/dev/null")
    for more in ([], ["--overwrite"]):
        said = command(*GENERATE, "-o", path, *more)
        assert said.code == 2 and said.err.count("\n") == 1 and "x.png" in said.err
    assert path.is_symlink() == (kind in ("loop", "device")) and Path("/dev/null").is_char_device()


# --- temporary files --------------------------------------------------------------------------


def test_leftovers_go_and_files_in_use_stay(tmp_path):
    left = [tmp_path / f".ganbaru-{i:016x}.tmp" for i in range(3)]
    left[0].write_bytes(b"half")
    left[1].mkdir()
    (left[1] / "part").touch()
    left[2].symlink_to(tmp_path / "mine")
    for name in (".ganbaru-1.tmp", "ganbaru-0000000000000001.tmp", ".x.tmp", "mine"):
        (tmp_path / name).touch()
    files._sweep.cache_clear()
    with files.temporary(tmp_path) as used, files.temporary(tmp_path, folder=True) as folder:
        files._sweep.cache_clear()
        with files.replacing(tmp_path / "y") as made:
            made.write_bytes(b"whole")
        assert used.exists() and folder.exists()
    left = {path.name for path in tmp_path.iterdir() if not path.is_symlink()}
    assert left == {".ganbaru-1.tmp", "ganbaru-0000000000000001.tmp", ".x.tmp", "mine", "y"}


def test_without_locks_only_old_leftovers_go(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "locked", lambda descriptor: None)
    old, new = (tmp_path / f".ganbaru-{i:016x}.tmp" for i in range(2))
    for path, age in ((old, 2 * files.ABANDONED), (new, 60)):
        path.touch()
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    files._sweep.cache_clear()
    files.write_text(tmp_path / "y", "whole")
    assert sorted(os.listdir(tmp_path)) == [new.name, "y"]


def test_files_have_the_usual_permissions(tmp_path):
    (tmp_path / "x").touch()
    files.write_text(tmp_path / "y", "whole")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "y").stat().st_mode


def test_error_kinds(tmp_path):
    """A path that cannot be written is wrong input, what happens to a right one fails the run."""
    (tmp_path / "file").touch()
    for path, error in ((tmp_path / "file" / "x", InputError), (tmp_path / "gone" / "x", RunError)):
        with pytest.raises(error, match="Cannot write"):
            files.write_text(path, "")


def test_arrays_with_a_mark_are_read_as_before(here):
    assert command(*GENERATE, "-o", "x.npz").code == 0
    with np.load(here / "x.npz") as found:
        assert found["images"].shape == (3, 16, 16, 1)
