"""Full disks, missing permission and too little memory: one message, and no partial file."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from bad_input_helpers import G, assert_one_message, listing
from train_helpers import command, limited, needs_posix, newest, pictures, process, tiny, trained

from ganbaru.callbacks import Checkpoints
from ganbaru.config import to_yaml


@needs_posix
def test_file_size_limit_on_a_checkpoint(tmp_path):
    """The run's earlier checkpoint stays and loads; no partial file remains."""
    run = trained(tmp_path, width=32, lr=0.001)
    before = listing(run / "checkpoints")
    (size,) = {len(content) for content in before.values()}
    arguments = ["train", "--run", run, "--resume", "--steps", 14]
    said = process(*arguments, cwd=tmp_path, **limited(size // 2))
    assert said.code == 1 and "Traceback" not in said.err
    wanted = run / "checkpoints" / "0000000112.safetensors"
    assert f"{wanted}: File too large" in said.err
    assert said.err.count("\n") == 1 and listing(run / "checkpoints") == before
    assert newest(run)[1].step == 12
    assert command(*arguments).code == 0  # with space again
    assert newest(run)[1].step == 14


@needs_posix
@pytest.mark.parametrize(
    "out", ["all.npz", pytest.param("grid.png", marks=pytest.mark.extended), "each"]
)
def test_file_size_limit_on_images(tmp_path, out):
    run = trained(tmp_path, steps=1)
    arguments = ["generate", run, "-n", 400, "-o", tmp_path / out, "--overwrite"]
    (tmp_path / "all.npz").write_bytes(b"old")
    said = process(*arguments, cwd=tmp_path, **limited(100))
    assert_one_message(said, out, "File too large", code=1)
    assert (tmp_path / "all.npz").read_bytes() == b"old"
    left = {path.name for path in tmp_path.rglob("*") if "run" not in path.parts}
    assert not [name for name in left if name.endswith(".tmp") or name.startswith("seed")]
    assert "grid.png" not in left


@needs_posix
@pytest.mark.parametrize(
    "out",
    [
        "x.gif",
        "x.mp4",
        "frames",
        *(pytest.param(x, marks=pytest.mark.extended) for x in ("x.webp", "x.png")),
    ],
)
def test_file_size_limit_on_a_film(tmp_path, out):
    if out.endswith("mp4"):
        pytest.importorskip("av")
    run = trained(tmp_path, steps=1)
    arguments = ["morph", run, "--frames", 9, "-o", tmp_path / out]
    said = process(*arguments, cwd=tmp_path, **limited(100))
    assert_one_message(said, out, "File too large", code=1)
    left = {path.name for path in tmp_path.rglob("*") if "run" not in path.parts}
    assert left == {"pictures.npz"}


def refuse(*ignored, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_before_anything_is_written(here, monkeypatch):
    monkeypatch.setattr(Path, "mkdir", refuse)
    before = listing(here)
    assert_one_message(command(*G.split(), "--run", "new"), "runs/new: No space left", code=1)
    assert listing(here) == before


@pytest.mark.parametrize("name", ["config.yaml", "log.jsonl", "0000000000.png"])
def test_full_disk_at_each_first_file(tmp_path, monkeypatch, name):
    replace = os.replace

    def picky(source, target):
        return refuse() if Path(target).name == name else replace(source, target)

    config = tiny(tmp_path)
    (tmp_path / "c.yaml").write_text(to_yaml(config))
    monkeypatch.setattr(os, "replace", picky)
    said = command("train", "--config", tmp_path / "c.yaml")
    assert said.code == 1 and said.err.startswith("ganbaru: ")
    assert f"{name}: No space left on device" in said.err and said.err.count("\n") == 1
    assert not [path for path in (tmp_path / "run").rglob("*") if path.suffix == ".tmp"]


def _breaks(kind, run, monkeypatch):
    """Break the disk below a run as `kind` says, or take the run's folder away."""
    replace = os.replace

    def fail(source, target):
        if Path(target).is_relative_to(run):
            raise OSError(getattr(errno, kind), os.strerror(getattr(errno, kind)))
        replace(source, target)

    if kind == "removed":
        shutil.rmtree(run)
    elif kind == "renamed":
        run.rename(run.with_name("other"))
    elif kind == "file":
        shutil.rmtree(run)
        run.write_text("")
    else:
        monkeypatch.setattr(os, "replace", fail)


@pytest.mark.parametrize("kind", ["removed", "renamed", "file", "ENOSPC", "EDQUOT", "EIO", "EROFS",
                                  "EACCES", "ENOENT", "ESTALE", "ENOTDIR"])  # fmt: skip
def test_a_run_that_cannot_write_any_more_has_failed(tmp_path, monkeypatch, kind):
    """Its exit code is 1: what the user typed was right when it began."""
    run, step = tmp_path / "run", Checkpoints.step

    def breaks(self, run_, metrics):
        if run_.step == 3:
            _breaks(kind, run, monkeypatch)
        step(self, run_, metrics)

    monkeypatch.setattr(Checkpoints, "step", breaks)
    (tmp_path / "c.yaml").write_text(to_yaml(tiny(tmp_path, steps=6)))
    said = command("train", "--config", tmp_path / "c.yaml")
    assert said.code == 1 and said.err.startswith("ganbaru: ") and said.err.count("\n") == 1
    assert str(run) in said.err and "Traceback" not in said.err


def test_an_error_of_the_system_is_one_message(monkeypatch):
    def fails(arguments):
        raise OSError(errno.EIO, os.strerror(errno.EIO), "/some/file")

    monkeypatch.setattr("ganbaru.cli.describe.describe", fails)
    said = command("describe")
    assert said.code == 1 and said.err.count("\n") == 1 and "/some/file" in said.err


@needs_posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    pictures(tmp_path / "good.npz")
    line = G.replace("good.npz", str(tmp_path / "good.npz")).split()
    said = command(*line, "--run", locked / "run")
    assert_one_message(said, str(locked), "Permission denied")


def test_folder_without_permission_as_root_sees_it(here, monkeypatch):
    def denied(*ignored, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "mkdir", denied)
    said = command(*G.split(), "--run", "new")
    assert_one_message(said, "runs/new: Permission denied", "--run")


def test_out_of_memory_is_one_message(here, monkeypatch):
    from ganbaru.training import setup

    def greedy(*ignored):
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr(setup, "build", greedy)
    said = command(*G.split())
    assert said.code == 1 and said.err.count("\n") == 1
    assert all(part in said.err for part in ("9 TiB", "--batch", "--width", "--image-size"))
