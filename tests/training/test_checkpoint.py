"""Checkpoint files: whole or absent, readable by themselves, and refused when they do not fit."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load_file, save_file
from train_helpers import command, newest, tiny, trained

from ganbaru import InputError, RunError, files
from ganbaru.sampling import generators
from ganbaru.training import checkpoint, setup
from ganbaru.training.checkpoint import Header

DATA = {"name": "x", "fingerprint": "f", "classes": ["a"], "shape": [16, 16, 1]}
HEADER = Header("0.1.0", {"seed": 1}, 2, 128, 1.5, DATA, {"log": {"reports": [{"d_loss": 0.1}]}})
GROUPS = {"generator": {"stem.weight": np.arange(6, dtype=np.float32).reshape(2, 3)}}


@pytest.fixture
def file(trained_run, tmp_path):
    """Return a copy of a real checkpoint, outside its run."""
    newest_file = checkpoint.found(trained_run() / "checkpoints")[-1]
    return shutil.copy(newest_file, tmp_path / "copy.safetensors")


# --- whole or absent --------------------------------------------------------------------------

names = st.text("abcdefgh_.12", min_size=1, max_size=8)
numbers = arrays.arrays(
    st.sampled_from([np.float32, np.float64, np.int64]), arrays.array_shapes(max_side=4),
    elements=st.integers(-1000, 1000),
)  # fmt: skip


@settings(max_examples=20)
@given(st.dictionaries(names, st.dictionaries(names, numbers)))
def test_what_is_saved_is_loaded(tmp_path_factory, groups):
    path = tmp_path_factory.mktemp("save") / "x.safetensors"
    checkpoint.save(path, groups, HEADER)
    loaded, header = checkpoint.load(path)
    assert header == HEADER and loaded.keys() == groups.keys()
    for group, members in groups.items():
        assert loaded[group].keys() == members.keys()
        for name, array in members.items():
            assert loaded[group][name].dtype == array.dtype
            np.testing.assert_array_equal(loaded[group][name], array)


def test_arrays_in_any_memory_layout(tmp_path):
    image_like = np.arange(24.0).reshape(1, 2, 4, 3).transpose(0, 3, 1, 2)
    path = tmp_path / "x.safetensors"
    checkpoint.save(path, {"g": {"w": image_like}}, HEADER)
    np.testing.assert_array_equal(checkpoint.load(path)[0]["g"]["w"], image_like)


def full(*ignored):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def pressed(*ignored):
    raise KeyboardInterrupt


@pytest.mark.parametrize("moment", ["fsync", "replace"])
@pytest.mark.parametrize(("fault", "error"), [(full, RunError), (pressed, KeyboardInterrupt)])
def test_failed_save_leaves_the_old_file_and_nothing_else(
    tmp_path, monkeypatch, moment, fault, error
):
    path = tmp_path / "x.safetensors"
    checkpoint.save(path, GROUPS, HEADER)
    before = path.read_bytes()
    monkeypatch.setattr(os, moment, fault)
    with pytest.raises(error) as caught:
        checkpoint.save(path, {"generator": {"stem.weight": np.zeros(9)}}, HEADER)
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]
    if error is RunError:
        assert f"{path}: No space left on device" in str(caught.value)


def test_replacing_is_all_or_nothing(tmp_path):
    path = tmp_path / "x.txt"
    with files.replacing(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["x.txt"]
    with pytest.raises(ZeroDivisionError), files.replacing(path) as temporary:
        temporary.write_text("newer")
        1 / 0  # noqa: B018
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["x.txt"]


def test_nothing_infinite_is_saved(tmp_path):
    run = setup.build(tiny(tmp_path))
    run.state["generator_square"]["stem.conv.weight"][3, 2, 1, 0] = np.inf
    with pytest.raises(RunError, match="generator_square's numbers became NaN or infinite"):
        run.save()
    assert not list(run.folder.checkpoints.iterdir())


# --- self-describing --------------------------------------------------------------------------


def test_file_alone_rebuilds_the_generator(tmp_path):
    run = trained(tmp_path)
    expected = generators.load(run).sample(6, seed=2)
    path = shutil.copy(checkpoint.found(run / "checkpoints")[-1], tmp_path / "alone.safetensors")
    shutil.rmtree(run)
    (tmp_path / "pictures.npz").unlink()
    np.testing.assert_array_equal(generators.load(path).sample(6, seed=2), expected)


def test_header_is_readable_json_with_all_that_is_needed(file):
    with open(file, "rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        about = json.loads(json.loads(stream.read(length))["__metadata__"]["ganbaru"])
    assert (about["format"], about["version"]) == (2, "0.1.0")
    assert (about["step"], about["images"]) == (12, 96)
    assert about["config"]["network"] == "dcgan" and about["config"]["width"] == 4
    assert about["data"]["shape"] == [16, 16, 1] and about["data"]["classes"] == ["0", "1", "2"]
    assert len(about["data"]["fingerprint"]) == 64


def test_tensors_are_in_layout_and_names_of_pytorch(file):
    shapes = {name: array.shape for name, array in load_file(file).items()}
    assert shapes["generator/stem.conv.weight"] == (8 + 3, 8, 4, 4)  # transposed: in, out, h, w
    assert shapes["generator/image.conv.weight"] == (4, 1, 4, 4)
    assert shapes["discriminator/down1.conv.weight"] == (4, 1, 4, 4)  # out, in, h, w
    assert shapes["ema_buffers/stem.norm.running_var"] == (8,)


def test_names_and_shapes_decide_what_fits(tmp_path):
    wanted = {"g": {"a": np.zeros((2, 3)), "b": np.zeros(4)}}
    shapes = checkpoint.shapes(wanted)
    checkpoint.check_fits(tmp_path, {**wanted, "more": {}}, shapes)
    for wrong, said in [
        ({"g": {"a": np.zeros((3, 2)), "b": np.zeros(4)}}, r"g/a is \(3, 2\) there and \(2, 3\)"),
        ({"g": {"a": np.zeros((2, 3))}}, r"g/b is nothing there and \(4,\)"),
        ({"g": {**wanted["g"], "c": np.zeros(1)}}, r"g/c is \(1,\) there and nothing"),
        ({}, "another architecture: g/a is nothing there"),
    ]:
        with pytest.raises(InputError, match=said):
            checkpoint.check_fits(tmp_path, wrong, shapes)


def test_run_of_another_architecture_is_refused(tmp_path):
    run = trained(tmp_path)
    before = checkpoint.found(run / "checkpoints")[-1].read_bytes()
    said = command("train", "--run", run, "--resume", "--steps", 20, "--width", 6)
    assert said.code == 2 and "is of another architecture" in said.err and "--run" in said.err
    assert checkpoint.found(run / "checkpoints")[-1].read_bytes() == before
    assert newest(run)[1].config["width"] == 4
    assert "width: 4\n" in (run / "config.yaml").read_text()


def test_checkpoint_with_parts_missing_is_refused(file, tmp_path):
    with open(file, "rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        about = json.loads(stream.read(length))["__metadata__"]
    tensors = {name: a for name, a in load_file(file).items() if not name.startswith("ema/")}
    save_file(tensors, tmp_path / "part.safetensors", about)
    with pytest.raises(InputError, match="ema"):
        generators.load(tmp_path / "part.safetensors")


# --- damaged, foreign, newer ------------------------------------------------------------------


def test_cut_short_anywhere(file):
    with open(file, "rb") as stream:
        content = stream.read()

    @settings(max_examples=30)
    @given(st.integers(0, len(content) - 1))
    def check(length):
        with open(file, "wb") as stream:
            stream.write(content[:length])
        with pytest.raises(InputError, match="is damaged or cut short"):
            checkpoint.load(file)

    check()


def test_damaged_newest_checkpoint_can_be_deleted_to_go_on(tmp_path):
    run = trained(tmp_path, checkpoint_every=40)
    last = checkpoint.found(run / "checkpoints")[-1]
    last.write_bytes(last.read_bytes()[:5000])
    said = command("train", "--run", run, "--resume", "--steps", 14)
    assert said.code == 2
    assert f"{last} is damaged or cut short" in said.err
    assert "Delete it to go on from the one before it" in said.err
    last.unlink()
    assert command("train", "--run", run, "--resume", "--steps", 14).code == 0
    assert newest(run)[1].step == 14


def test_newer_format_says_which_version_to_install(file, tmp_path):
    tensors = load_file(file)
    about = {"format": checkpoint.FORMAT + 1, "version": "9.1", "unheard": "of"}
    save_file(tensors, tmp_path / "new.safetensors", {"ganbaru": json.dumps(about)})
    with pytest.raises(InputError, match=r"written by ganbaru 9\.1, which is newer.*pip install"):
        checkpoint.load(tmp_path / "new.safetensors")


@pytest.mark.parametrize("about", [None, {"format": "pt"}, {"ganbaru": "{"}, {"ganbaru": "[]"}])
def test_file_of_others(tmp_path, about):
    save_file({"w": np.zeros(3)}, tmp_path / "x.safetensors", about)
    with pytest.raises(InputError, match="but no checkpoint of ganbaru's"):
        checkpoint.load(tmp_path / "x.safetensors")


def test_settings_unknown_to_this_version(file, tmp_path):
    with open(file, "rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        about = json.loads(json.loads(stream.read(length))["__metadata__"]["ganbaru"])
    about["config"]["attention"] = 3
    save_file(load_file(file), tmp_path / "x.safetensors", {"ganbaru": json.dumps(about)})
    with pytest.raises(InputError, match="Unknown field 'attention'"):
        generators.load(tmp_path / "x.safetensors")


class Trap:
    """Says so when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickle_is_not_opened(tmp_path):
    trap = tmp_path / "sprung"
    (tmp_path / "x.safetensors").write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(InputError, match="is damaged or cut short"):
        checkpoint.load(tmp_path / "x.safetensors")
    assert not trap.exists()
    pickle.loads((tmp_path / "x.safetensors").read_bytes()).close()
    assert trap.exists()


def test_absent_and_unreadable(tmp_path):
    with pytest.raises(InputError, match="There is no checkpoint at"):
        checkpoint.load(tmp_path / "x.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(InputError, match="Cannot read the checkpoint"):
        checkpoint.load(tmp_path / "folder.safetensors")
