"""EfficientNet-Lite0's features are the original network's, on each engine; who is scored by it."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

import numpy as np
import pytest
from data_helpers import REAL, needs_real_data
from metric_helpers import blurred, noisy, values
from PIL import Image
from train_helpers import command, pictures

from ganbaru import InputError, data, metrics, ops
from ganbaru.data.formats import torch_file
from ganbaru.metrics import efficientnet, evaluation, evaluator, scorer

needs_weights = pytest.mark.skipif(
    efficientnet.weights_file() is None, reason="needs the extra `pictures`"
)
REFERENCE = np.load(Path(__file__).with_name("efficientnet_reference.npz"))


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return efficientnet.folded(torch_file.read(efficientnet.weights_file()))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Calibrate on fewer images, and train smaller classifiers; scores are valid all the same."""
    monkeypatch.setattr(scorer, "CALIBRATION", 64)
    monkeypatch.setattr(efficientnet, "LONGEST", 64)
    monkeypatch.setattr(scorer, "RECIPE", scorer.Recipe(width=4, shown=1_280))


# --- the network ------------------------------------------------------------------------------


@needs_weights
@pytest.mark.parametrize("name", ["square", "odd"])
def test_features_are_the_original_networks_on_each_engine(any_engine32, weights, name):
    engine = any_engine32
    images = REFERENCE[name].transpose(0, 3, 1, 2).astype(np.float32)
    tensors = {key: engine.from_numpy(array) for key, array in weights.items()}
    found = ops.to_numpy(engine.compile(efficientnet.features)(tensors, engine.from_numpy(images)))
    np.testing.assert_allclose(found, REFERENCE[f"{name}_features"], rtol=0, atol=1e-4)


@needs_weights
def test_directions_are_those_that_tell_classes_apart():
    weight = torch_file.read(efficientnet.weights_file())["_fc.weight"].astype(np.float64)
    found = efficientnet.directions(weight)
    np.testing.assert_allclose(found.T @ found, np.eye(efficientnet.DIRECTIONS), atol=1e-5)
    centred = weight - weight.mean(axis=0)
    turned = centred.T @ (centred @ found)
    strength = np.linalg.norm(turned, axis=0)  # singular vectors are turned into themselves
    np.testing.assert_allclose(turned, found * strength, atol=1e-4 * strength.max())
    other = np.random.default_rng(0).standard_normal(len(found))
    other -= found @ (found.T @ other)
    for _ in range(20):  # the strongest direction that is left
        other = centred.T @ (centred @ other)
        other -= found @ (found.T @ other)
        other, length = other / np.linalg.norm(other), np.linalg.norm(other)
    assert length < strength.min() * 1.0001


# --- as a scorer ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    pictures(folder / "colour.npz", side=16, channels=3, count=240, classes=0)
    pictures(folder / "labelled.npz", side=16, channels=3, count=240, classes=2)
    pictures(folder / "grey.npz", side=16, channels=1, count=240, classes=0)
    return folder


def chosen(name: str, path: Path) -> str:
    source = data.load(path)
    return evaluation.maker(name, None, None, "numpy", "cpu")(source, data.silent).info.kind


@pytest.mark.parametrize(
    "name,installed,kind",
    [("colour", True, "mine"), ("grey", True, "random"), ("colour", False, "random")],
)
def test_colour_images_have_it_by_default_where_installed(here, name, installed, kind, monkeypatch):
    def stub(engine, device, source, progress):
        assert (engine, device) == ("numpy", "cpu")
        return scorer.Scorer(scorer.ScorerInfo("mine", 1, ()), None)

    monkeypatch.setattr(efficientnet, "efficientnet", stub)
    monkeypatch.setattr(efficientnet, "weights_file", lambda: Path("x") if installed else None)
    assert chosen("auto", here / f"{name}.npz") == kind


@needs_weights
def test_labels_are_of_the_sets_own_classifier(here):
    source = data.load(here / "labelled.npz")
    scored, own = (
        metrics.make_evaluator(
            source, None, evaluation.maker(name, None, None, "numpy", "cpu"), number=50
        )
        for name in ("auto", "classifier")
    )
    one, other = (by.passport(50, (16, 16, 3)) for by in (scored, own))
    assert (one.scorer, other.scorer) == (
        f"efficientnet 1.{evaluator.VERSION}",
        f"classifier 1.{evaluator.VERSION}",
    )
    assert one.scorer_accuracy == other.scorer_accuracy is not None
    assert one.resize.startswith("16x16x3, as it is; network 16x16x3 to 64x64x3, rule")
    assert one.scorer_hash != other.scorer_hash
    images, labels = source.images[:50], source.labels[:50]
    found, expected = (by.quick_scores(images, labels) for by in (scored, own))
    assert found.keys() == expected.keys() and "label_accuracy" in found
    for name in found:
        if not metrics.METRICS[name].per_network:
            assert found[name] == expected[name], name
    assert found["frechet"] != expected["frechet"]


def test_without_its_extra_there_is_one_message(here, monkeypatch):
    monkeypatch.setattr(efficientnet, "PACKAGE", "no_such_package")
    words = ["evaluate", here / "colour.npz", "--data", here / "colour.npz"]
    said = command(*words, "--scorer", "efficientnet")
    assert said.code == 2 and said.out == "" and said.err.count("\n") == 1
    assert "ganbaru[pictures]" in said.err


def test_other_weights_are_refused(here, monkeypatch, tmp_path):
    (tmp_path / "other.pth").write_bytes(b"other")
    monkeypatch.setattr(efficientnet, "weights_file", lambda: tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth .*SHA-256.*Install it again"):
        chosen("efficientnet", here / "colour.npz")


@pytest.mark.parametrize(
    "stated,name",
    [("classifier 1.1", "classifier"), ("random 1.1", "random"), ("efficientnet 1.1",) * 2,
     ("mnist channel by channel 1.1", "auto"), ("onnx 1.1", "auto"), ("/tmp/x.onnx 1", "auto"),
     ("inception 1.1", "auto")],
)  # fmt: skip
def test_a_passport_names_a_scorer_and_never_a_file(stated, name):
    fields = {field.name: "" for field in dataclasses.fields(metrics.Passport)}
    passport = metrics.Passport(**{**fields, "scorer": stated})
    assert evaluation.scorer_of(passport) == name.partition(" ")[0]
    assert evaluation.scorer_of(None) == "auto"


# --- damage -----------------------------------------------------------------------------------


@needs_weights
@needs_real_data
def test_damage_worsens_the_scores_of_cat_faces():
    with zipfile.ZipFile(Path(REAL, "cat-faces-64.zip")) as archive:
        names = sorted(archive.namelist())[::20]  # of all brightnesses
        faces = [np.asarray(Image.open(archive.open(name))) for name in names]
    source = data.in_memory("cat faces", np.stack(faces))
    make = evaluation.maker("auto", None, None, "numpy", "cpu")
    by = metrics.make_evaluator(source, None, make, number=64)
    assert by.scorer.info.kind == "efficientnet"
    real = by.split.held_out
    sets = [real, blurred(real, 1), noisy(real, 10), noisy(real, 20)]
    none, soft, weak, strong = (values(images, by=by) for images in sets)
    for name in ("frechet", "kernel"):
        assert none[name] < soft[name] and none[name] < weak[name] < strong[name], name
    assert soft["coverage"] < 0.9 * none["coverage"]
