"""A feature network in an ONNX file as a scorer, and files that are none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from train_helpers import command, pictures

from ganbaru import InputError, data, metrics
from ganbaru.metrics import evaluation, evaluator, onnx_network, scorer

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

FLOAT, BYTE = TensorProto.FLOAT, TensorProto.UINT8
KERNEL = np.random.default_rng(0).standard_normal((8, 3, 4, 4)).astype(np.float32)
N, SIDES = "N", ("H", "W")  # symbolic, so any number and size


def model(path: Path, nodes, given, made, kernel=KERNEL) -> Path:
    """Write nodes with inputs and outputs (type, shape) named x0, x1 and y0, y1."""
    values = [
        [helper.make_tensor_value_info(f"{letter}{i}", *each) for i, each in enumerate(several)]
        for letter, several in (("x", given), ("y", made))
    ]
    constants = [numpy_helper.from_array(kernel, "w")]
    graph = helper.make_graph([helper.make_node(*node[:3], **node[3]) for node in nodes], "g",
                              *values, constants)  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(made.SerializeToString())
    return path


CONV = ("Conv", ["x0", "w"], ["y0"], {"strides": [4, 4]})
MAPS = [(FLOAT, (N, 8, "h", "w"))]


def conv(path: Path, shape, kernel=KERNEL) -> Path:
    return model(path, [CONV], [(FLOAT, shape)], MAPS, kernel)


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("onnx")
    pictures(folder / "colour.npz", side=16, channels=3, count=240, classes=0)
    pictures(folder / "grey.npz", side=16, channels=1, count=240, classes=0)
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(scorer, "CALIBRATION", 64)


def made(path: Path, file: Path) -> scorer.Scorer:
    return evaluation.maker(str(file), None, None, "numpy", "cpu")(data.load(path), data.silent)


def expected(images: np.ndarray, kernel: np.ndarray = KERNEL) -> np.ndarray:
    """Features of images (N, 16, 16, 3): the mean over positions of the convolution."""
    patches = (images / 255).reshape(len(images), 4, 4, 4, 4, 3)  # image, row, H, column, W, C
    return np.einsum("nrhcwd,odhw->no", patches, kernel) / 16


@pytest.mark.parametrize(
    "shape", [(N, 3, *SIDES), (1, 3, 16, 16), (7, 3, *SIDES), (N, "C", "H", 16)]
)
def test_features_are_the_files_pooled_and_normalised(shape, here):
    file = conv(here / "conv.onnx", shape)
    found = made(here / "colour.npz", file)
    assert (found.info.kind, found.info.hash) == (
        "onnx", hashlib.sha256(file.read_bytes()).hexdigest()
    )  # fmt: skip
    source = data.load(here / "colour.npz")
    raw = expected(source.images[:20])
    seen, _ = scorer.halves(source)
    calibration = expected(source.images[seen[:64]])
    unit = np.sqrt(calibration.var(axis=0).mean())
    (features,) = found.extract(source.images[:20], data.silent).arrays
    np.testing.assert_allclose(features, (raw - calibration.mean(axis=0)) / unit, atol=1e-3)


def test_bytes_flat_features_and_grey_images(here):
    nodes = [
        ("Cast", ["x0"], ["f"], {"to": FLOAT}),
        ("Conv", ["f", "w"], ["c"], {"strides": [4, 4]}),
        ("GlobalAveragePool", ["c"], ["p"], {}),
        ("Flatten", ["p"], ["y0"], {}),
    ]
    file = model(here / "flat.onnx", nodes, [(BYTE, (N, 3, 8, 8))], [(FLOAT, (N, 8))])
    by = metrics.make_evaluator(
        data.load(here / "grey.npz"), None,
        evaluation.maker(str(file), None, None, "numpy", "cpu"), number=60,
    )  # fmt: skip
    passport = by.passport(60, (16, 16, 1))
    assert passport.scorer == f"onnx 1.{evaluator.VERSION}"
    assert passport.resize.endswith("network 16x16x1 to 8x8x3, rule 1, 0 to 255")
    held_out = by.split.held_out
    assert (
        by.quick_scores(held_out, None)["frechet"]
        < by.quick_scores(255 - held_out, None)["frechet"]
    )


def write_bad(folder: Path) -> None:
    whole = [(FLOAT, (N, 3, *SIDES))]
    model(folder / "two-in.onnx", [CONV], [*whole, (FLOAT, (N, 4))], MAPS)
    model(folder / "two-out.onnx", [CONV, ("Relu", ["y0"], ["y1"], {})], whole, MAPS * 2)
    model(folder / "flat-in.onnx", [("Relu", ["x0"], ["y0"], {})], [(FLOAT, (N, 12))],
          [(FLOAT, (N, 12))])  # fmt: skip
    half = [(TensorProto.DOUBLE, (N, 3, *SIDES))]
    model(folder / "double.onnx", [("Relu", ["x0"], ["y0"], {})], half, half)
    first = (*CONV[:2], ["c"], CONV[3])
    for name, last, made in (
        ("labels", ("ArgMax", ["c"], ["y0"], {"axis": 1}), (TensorProto.INT64, (N, 1, "h", "w"))),
        ("scalar", ("ReduceSum", ["c"], ["y0"], {}), (FLOAT, (1, 1, 1, 1))),
        ("rows", ("ReduceMean", ["c"], ["y0"], {"axes": [3], "keepdims": 0}), (FLOAT, (N, 8, "h"))),
    ):
        model(folder / f"{name}.onnx", [first, last], whole, [made])
    conv(folder / "last.onnx", (N, *SIDES, 3))
    conv(folder / "fixed-last.onnx", (N, 16, 16, 3))
    model(folder / "one.onnx", [CONV], [(FLOAT, (N, 1, *SIDES))], MAPS, KERNEL[:, :1])
    conv(folder / "nan.onnx", (N, 3, *SIDES), KERNEL * np.nan)
    (folder / "text.onnx").write_text("no network")
    (folder / "empty.onnx").write_bytes(b"")
    beside = conv(folder / "beside.onnx", (N, 3, *SIDES))
    onnx.save(onnx.load(beside), beside, save_as_external_data=True, size_threshold=0,
              location="beside.bin")  # fmt: skip
    (folder / "folder.onnx").mkdir()


BAD = {
    **dict.fromkeys(("two-in", "two-out", "flat-in", "double"), "one input"),
    **dict.fromkeys(("labels", "scalar", "rows"), "one output"),
    **dict.fromkeys(("fixed-last", "one"), "channels"),
    **dict.fromkeys(("text", "empty", "beside", "last"), "ONNX Runtime"),
    **dict.fromkeys(("missing", "folder"), "path of an ONNX file"),
    "nan": "NaN",
}


@pytest.fixture(scope="module")
def bad(here) -> Path:
    write_bad(here)
    return here


@pytest.mark.parametrize("name", BAD)
def test_another_file_has_one_message(name, bad):
    words = ["evaluate", bad / "colour.npz", "--data", bad / "colour.npz", "-n", 50]
    said = command(*words, "--scorer", bad / f"{name}.onnx")
    assert said.code == 2 and said.out == "" and said.err.count("\n") == 1, said
    assert BAD[name] in said.err and f"{name}.onnx" in said.err and len(said.err) < 800, said.err


def test_without_its_extra_there_is_one_message(bad, monkeypatch):
    monkeypatch.setattr(onnx_network, "RUNTIME", "no_such_package")
    with pytest.raises(InputError, match=r"ganbaru\[onnx\]"):
        made(bad / "colour.npz", conv(bad / "good.onnx", (N, 3, *SIDES)))
