"""PyTorch's files are read without PyTorch: its own arrays, and no code of any file's."""

from __future__ import annotations

import collections
import io
import os
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganbaru import InputError
from ganbaru.data.formats import torch_file

torch = pytest.importorskip("torch")
FORMATS = {"zip": True, "legacy": False}
TYPES = ("float64", "float32", "float16", "bfloat16", "bool")
TYPES += ("int64", "int32", "int16", "int8", "uint8")


def saved(path: Path, content: object, form: str) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=FORMATS[form])
    return path


def content() -> dict[str, object]:
    """Tensors of every type, views of shared storages, and what stands beside weights."""
    whole = torch.arange(24.0).reshape(4, 6)
    state = collections.OrderedDict({f"a.{kind}": torch.ones(3).to(getattr(torch, kind))
                                     for kind in TYPES})  # fmt: skip
    state |= {"whole": whole, "turned": whole.T, "part": whole[1:3, ::2], "one": whole[2, 3]}
    state |= {"none": torch.zeros(0, 3), "weight": torch.nn.Parameter(torch.randn(2, 3))}
    state._metadata = {"": {"version": 1}}
    return {"netG": state, "epoch": 3, "losses": [0.5, 1], "size": whole.size()}


@pytest.mark.parametrize("form", FORMATS)
def test_arrays_are_those_of_pytorch(form, tmp_path, monkeypatch):
    given = content()
    path = saved(tmp_path / "w.pth", given, form)
    monkeypatch.setitem(sys.modules, "torch", None)
    found = torch_file.read(path)
    assert (found["epoch"], found["losses"], found["size"]) == (3, [0.5, 1], (4, 6))
    assert list(found["netG"]) == list(given["netG"])
    for name, tensor in given["netG"].items():
        short = tensor.dtype in (torch.float16, torch.bfloat16)
        expected = (tensor.float() if short else tensor).detach().numpy()
        assert found["netG"][name].dtype == expected.dtype, name
        np.testing.assert_array_equal(found["netG"][name], expected)


class Caller:
    """Pickled, it calls a function when it is read."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


CODE = {
    "command": Caller(os.system, "touch called"),
    "expression": Caller(eval, "open('called', 'w')"),
    "module": torch.nn.Linear(2, 2),
    "numbers of another kind": Caller(np.zeros, 3),
    "unpickler": Caller(pickle.loads, b"cposix\nsystem\n(S'touch called'\ntR."),
    "attribute": Caller(getattr, collections.OrderedDict, "update"),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", CODE)
def test_nothing_is_called(name, form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path / "w.pth", {"w": torch.zeros(2), "x": CODE[name]}, form)
    with pytest.raises(InputError, match=r"w\.pth .*refused.*torch\.save"):
        torch_file.read(path)
    assert [each.name for each in tmp_path.iterdir()] == ["w.pth"]


def tensors(path: Path, *arguments: object) -> None:
    """Write a zip file whose tensor is a view with these arguments of two numbers."""
    pickled = io.BytesIO()

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            found = ("storage", torch.FloatStorage, "0", "cpu", 2)
            return found if value is Caller else None

    Pickler(pickled, 2).dump({"w": Caller(torch._utils._rebuild_tensor_v2, Caller, *arguments)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w/data.pkl", pickled.getvalue())
        archive.writestr("w/data/0", np.ones(2, np.float32).tobytes())


VIEWS = {
    "as it is": (0, (2,), (1,), False, {}),
    "too long": (0, (3,), (1,), False, {}),
    "too far": (1, (2,), (1,), False, {}),
    "steps out": (0, (2,), (2,), False, {}),
    "back": (1, (2,), (-1,), False, {}),
    "before": (-1, (2,), (1,), False, {}),
    "repeated": (0, (1 << 40,), (0,), False, {}),
    "negative": (0, (-2,), (1,), False, {}),
    "unlike": (0, (2, 1), (1,), False, {}),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_tensor_does_not_exceed_its_storage(name, tmp_path):
    tensors(tmp_path / "w.pth", *VIEWS[name])
    if name == "as it is":
        assert torch_file.read(tmp_path / "w.pth")["w"].tolist() == [1, 1]
        return
    with pytest.raises(InputError, match=r"Cannot read .*w\.pth as a PyTorch file"):
        torch_file.read(tmp_path / "w.pth")


def test_compressed_members_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", bytes(1 << 20))
    with pytest.raises(InputError, match="compressed"):
        torch_file.read(tmp_path / "w.pth")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("whole")
    return {form: saved(folder / f"{form}.pth", content(), form) for form in FORMATS}


@pytest.mark.parametrize("form", FORMATS)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_a_damaged_file_has_one_error(form, place, flip, whole):
    """`flip` changes the bits of one byte; 0 cuts the file there."""
    data = bytearray(whole[form].read_bytes())
    if flip:
        data[int(place * len(data))] ^= flip
    path = whole[form].with_name("damaged.pth")
    path.write_bytes(data if flip else data[: int(place * len(data))])
    try:
        torch_file.read(path)
    except InputError as error:
        assert str(path) in str(error) and "\n" not in str(error)
