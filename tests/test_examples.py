# ruff: noqa: N801, N805  objectives are classes of plain functions
"""The examples run as they say, and the Python interface does what they show."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from train_helpers import (
    NO_PLOTS,
    ROOT,
    command,
    log,
    needs_torch,
    newest,
    pictures,
    run_with,
    tiny,
)

import ganbaru
from ganbaru import data, engines, ops
from ganbaru.gan import build
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.gan.penalties import PenaltyInputs

EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))


@pytest.fixture
def example(monkeypatch):
    """Make the examples importable, as from their parent folder."""
    monkeypatch.syspath_prepend(str(ROOT))


def run_example(name: str, folder: Path, *arguments: str) -> str:
    paths = os.pathsep.join([str(NO_PLOTS), str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", f"examples.{name}", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": paths.rstrip(os.pathsep)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_examples_of_all_that_is_promised():
    assert EXAMPLES == ["film", "own_architecture", "own_data", "own_objective", "train"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_short_and_says_how_to_run_it(name):
    text = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 50
    assert f"python -m examples.{name} [STEPS]" in text.split('"""')[1]


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs(name, tmp_path):
    out = run_example(name, tmp_path, "3")
    (run,) = (tmp_path / "runs").iterdir()
    assert newest(run)[1].step == 3
    assert str(run.relative_to(tmp_path)) in out
    for shown in re.findall(r"runs/\S+\.(?:png|gif)", out):
        with Image.open(tmp_path / shown) as image:
            assert min(image.size) >= 32


def test_own_objective_by_hand(example):
    from examples.own_objective import drift, paired_squares

    numpy = engines.load("numpy", precision="float64")
    real, fake = np.array([2.0, 0.5, -1.0]), np.array([-0.5, 0.0, 3.0])
    tensors = [numpy.from_numpy(x) for x in (real, fake)]
    # Differences of 2.5, 0.5 and -4, less 1, and the other way round.
    assert float(paired_squares.d(*tensors)) == pytest.approx((1.5**2 + 0.5**2 + 5**2) / 3)
    assert float(paired_squares.g(*tensors)) == pytest.approx((3.5**2 + 1.5**2 + 3**2) / 3)
    images = numpy.from_numpy(np.arange(3.0))
    value = drift(PenaltyInputs(lambda x: x * 2, None, images, None, None), weight=0.1)
    assert float(value) == pytest.approx(0.1 * np.mean([0, 4, 16]))


def test_own_objective_by_the_command(example, tmp_path):
    objective = "examples.own_objective.paired_squares"
    found, _ = build.objective(objective, None)
    assert found.relativistic and found.name == "paired-squares"
    config = tiny(tmp_path)
    said = command("train", "--data", config.data, "--run", config.run, "--batch", 8, "--width", 4,
                   "--steps", 2, "--objective", objective,
                   "--penalty", "examples.own_objective.drift:weight=0.5")  # fmt: skip
    assert (said.code, said.err) == (0, "")
    assert newest(Path(config.run))[1].config["objective"] == objective


def test_own_penalty_counts(example, tmp_path):
    """With a heavy weight on scores, real images score nearer zero."""
    scores = {}
    for weight in (0, 100):
        run = ganbaru.train(
            tiny(tmp_path, run=tmp_path / f"{weight}", steps=20, objective="least-squares",
                 penalty=f"examples.own_objective.drift:weight={weight}", log_every=160)
        )  # fmt: skip
        scores[weight] = abs(log(run)[-1]["real_score"])
    assert scores[100] < scores[0] / 2


def test_own_architecture_is_described_and_rebuilt(example, tmp_path):
    pictures(tmp_path / "p.npz")
    options = ["--network", "examples.own_architecture", "--data", tmp_path / "p.npz"]
    out = command("describe", *options, "--width", 2, "--latent", 5).out
    # 5 latent numbers and 3 classes into 16, 32, 256 with biases at the end, and two batch norms.
    assert f"{8 * 16 + 16 * 32 + 32 * 256 + 256 + 2 * (16 + 32):,}" in out
    # D: 256 pixels into 32, 16, 1, and the product with an embedding of each of 3 classes.
    assert f"{256 * 32 + 32 + 32 * 16 + 16 + 16 + 1 + 3 * 16 + 3:,}" in out
    said = command("train", *options, "--run", tmp_path / "mlp", "--batch", 8, "--steps", 2)
    assert said.code == 0
    assert ganbaru.load(tmp_path / "mlp").sample(2).shape == (2, 16, 16, 1)


def test_own_data_is_what_it_says(example):
    source = data.load("examples.own_data")
    assert source.images.shape == (4000, 32, 32, 1) and source.classes == ("disc", "square")
    # A square covers its bounding box, a disc pi/4 of it.
    for label, share in ((0, np.pi / 4), (1, 1)):
        images = source.images[source.labels == label][:200, :, :, 0] / 255
        sides = [(im.any(0).sum() - 1) * (im.any(1).sum() - 1) for im in images]
        assert np.median(images.sum((1, 2)) / sides) == pytest.approx(share, abs=0.07)


# --- the interface that they show -------------------------------------------------------------


def test_interface_is_what_is_listed():
    assert set(ganbaru.__all__) == {
        "Config", "Generator", "InputError", "PRESETS", "RunError", "__version__", "from_preset",
        "from_pictures",
        "load", "objective", "penalty", "train", "evaluate", "compare", "authenticity",
        "from_pretrained", "save_pretrained", "api", "callbacks", "data", "describe", "generate",
        "import_weights", "morph", "doctor", "lab", "plan", "project", "utility",
        "anomaly", "directions", "edit", "embed", "explain", "push_to_hub",
    }  # fmt: skip
    for name in ganbaru.__all__:
        assert getattr(ganbaru, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        ganbaru.trian  # noqa: B018


def test_train_load_sample(tmp_path):
    run = ganbaru.train(ganbaru.from_preset("digits", steps=2, width=4, run=tmp_path / "run"))
    assert run == tmp_path / "run"
    images = ganbaru.load(run).sample(4, seed=3, labels=[1, 2, 3, 4])
    assert images.shape == (4, 16, 16, 1) and images.dtype == np.uint8
    assert isinstance(ganbaru.load(str(run)), ganbaru.Generator)


@needs_torch
def test_load_on_another_engine(tmp_path):
    run = ganbaru.train(tiny(tmp_path, steps=1))
    generator = ganbaru.load(run, engine="torch", device="cpu")
    assert generator.engine.name == "torch" and generator.sample(3).shape == (3, 16, 16, 1)


def test_wrong_input_is_a_value_error(tmp_path):
    assert issubclass(ganbaru.InputError, ValueError)
    with pytest.raises(ganbaru.InputError):
        ganbaru.train(ganbaru.from_preset("digits", data=str(tmp_path / "nowhere")))


def test_a_decorated_objective_is_known_by_name(tmp_path):
    @ganbaru.objective()
    class for_a_test:
        """Least squares without D's target of 0."""

        def d(real, fake):
            return ops.mean((real - 1.0) ** 2)

        def g(real, fake):
            return ops.mean((fake - 1.0) ** 2)

    try:
        run_with(tiny(tmp_path, objective="for-a-test", steps=1))
        assert build.objective("for-a-test", None)[0] is for_a_test
    finally:
        OBJECTIVES.pop("for-a-test")
