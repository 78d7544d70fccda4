"""Native modules: agreement with the NumPy engine in every framework, and invalid input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_names import COMPILED
from native_helpers import PLAYERS, RUNS, Numbers, expected, inputs, save
from numpy.testing import assert_allclose, assert_array_equal

from ganbaru import InputError, engines, load, native
from ganbaru.sampling.players import load_player
from ganbaru.training import loop

HAS = {name: name in engines.available() for name in ("torch", "tensorflow", "jax")}
FRAMEWORKS = [
    pytest.param(name, marks=pytest.mark.skipif(not has, reason=f"needs {name}"))
    for name, has in HAS.items()
]
# All runs in compiled frameworks take minutes, so by default they get one run, with labels.
EVERY_RUN = [
    pytest.param(name, marks=[*param.marks, *[pytest.mark.compiled] * (name in COMPILED)])
    for name, param in zip(HAS, FRAMEWORKS, strict=True)
]


@pytest.fixture(scope="module", params=RUNS)
def run(request, tmp_path_factory) -> loop.Run:
    return save(tmp_path_factory.mktemp(request.param), **RUNS[request.param])


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> loop.Run:
    """Return a run with labels."""
    return save(tmp_path_factory.mktemp("one"))


def by_torch(run: Path, player: str, *given: np.ndarray, training: bool) -> Numbers:
    import torch

    from ganbaru.native import torch as shells

    module = shells.module(run, player).train(training)
    y = module(*map(torch.tensor, given))
    return y.detach().numpy(), {name: x.numpy() for name, x in module.named_buffers()}


def by_tensorflow(run: Path, player: str, *given: np.ndarray, training: bool) -> Numbers:
    import tensorflow as tf

    from ganbaru.native import tensorflow as shells

    module = shells.module(run, player)
    y = module(*map(tf.constant, given), training=training)
    return y.numpy(), {name: x.numpy() for name, x in module.buffers.items()}


def by_jax(run: Path, player: str, *given: np.ndarray, training: bool) -> Numbers:
    from ganbaru.native import jax as shells

    apply, variables = shells.function(run, player)
    if not training:
        return np.asarray(apply(variables, *given)), _arrays(variables["buffers"])
    y, moved = apply(variables, *given, training=True)
    return np.asarray(y), _arrays(moved["buffers"])


def _arrays(tensors: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(x) for name, x in tensors.items()}


BY = {"torch": by_torch, "tensorflow": by_tensorflow, "jax": by_jax}


@pytest.mark.parametrize("training", [False, True], ids=["running", "batch"])
@pytest.mark.parametrize("player", PLAYERS)
@pytest.mark.parametrize("framework", EVERY_RUN)
def test_outputs_and_statistics_agree_with_the_numpy_engine(framework, player, training, run):
    compare(framework, player, training, run)


@pytest.mark.parametrize("training", [False, True], ids=["running", "batch"])
@pytest.mark.parametrize("player", PLAYERS)
@pytest.mark.parametrize("framework", COMPILED)
def test_one_run_in_compiled_frameworks_agrees_too(framework, player, training, one):
    if not HAS[framework]:
        pytest.skip(f"needs {framework}, which is not installed")
    compare(framework, player, training, one)


def compare(framework: str, player: str, training: bool, run: Any) -> None:
    """Compare a module's result and buffers with the NumPy engine's."""
    given = inputs(run, player)
    wanted, statistics = expected(run, player, *given, training=training)
    found, moved = BY[framework](run.folder.path, player, *given, training=training)
    assert found.shape == wanted.shape and found.dtype == np.float32 and wanted.std() > 1e-2
    assert_allclose(found, wanted, atol=1e-5 * max(1, np.abs(wanted).max()), rtol=0)
    assert moved.keys() == statistics.keys()
    for name, array in statistics.items():
        assert_allclose(moved[name], array, atol=1e-5, rtol=1e-5, err_msg=name)
        before = run.state[f"{native.PLAYERS[player][0]}_buffers"][name]
        # A power iteration on one row gives the same unit vector.
        assert (moved[name] != before).any() == (training and array.size > 1) or array.size == 1


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_images_agree_with_load_for_the_ema_generator_only(framework, one):
    generator = load(one.folder.path)
    latents, labels = generator.latents(range(6)), generator.labels(range(6))
    wanted = generator.floats(latents, labels)
    found, _ = BY[framework](one.folder.path, "generator", latents, labels, training=False)
    assert_allclose(found, wanted, atol=1e-5)
    now, _ = BY[framework](one.folder.path, "unaveraged-generator", latents, labels, training=False)
    own, _ = expected(one, "unaveraged-generator", latents, labels, training=False)
    assert_allclose(now, own, atol=1e-5)
    assert np.abs(own - wanted).max() > 1e-2


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_labels_may_be_class_weights(framework, one):
    latents, labels = inputs(one, "generator")
    rows = np.eye(3, dtype=np.float32)[labels]
    whole, _ = BY[framework](one.folder.path, "generator", latents, labels, training=False)
    weighted, _ = BY[framework](one.folder.path, "generator", latents, rows, training=False)
    assert_allclose(weighted, whole, atol=1e-6)
    half, _ = BY[framework](
        one.folder.path, "generator", latents, np.full((5, 3), 1 / 3, np.float32), training=False
    )
    assert np.abs(half - whole).max() > 1e-2


MISTAKES = [
    ("generator", [(5, 8)], "generator has 3 classes and got no labels"),
    ("generator", [(5, 8), [0, 1]], r"labels of shape \(2,\).* one for each of the 5 latents"),
    ("generator", [(5, 8), [0, 1, 2, 3, 0]], r"Label 3 is out of range: give 0 to 2 \(0, 1, 2\)"),
    ("generator", [(5, 8), [0, 1, 2, -1, 0]], "Label -1 is out of range"),
    ("generator", [(5, 8, 1, 1), [0] * 5], r"takes latents \(N, 8\), not \(5, 8, 1, 1\)"),
    ("discriminator", [(5, 3, 16, 16), [0] * 5], r"takes images \(N, 1, 16, 16\), not"),
    ("discriminator", [(5, 1, 16, 16)], "3 classes and got no labels.* 5 images"),
    ("generatr", [(5, 8)], "Unknown player 'generatr'. Did you mean 'generator'"),
]


@pytest.mark.parametrize("player,given,message", MISTAKES)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_invalid_input_is_refused(framework, player, given, message, one):
    x = np.zeros(given[0], np.float32)
    with pytest.raises(InputError, match=message):
        BY[framework](one.folder.path, player, x, *map(np.array, given[1:]), training=False)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_labels_for_an_unconditional_network_and_missing_run(framework, tmp_path):
    run = save(tmp_path, conditioning="none")
    with pytest.raises(InputError, match="is unconditional: it takes no labels"):
        BY[framework](
            run.folder.path, "generator", *inputs(run, "generator"), np.zeros(5, int),
            training=False,
        )  # fmt: skip
    with pytest.raises(InputError, match="There is no run at"):
        BY[framework](tmp_path / "nowhere", "generator", training=False)


@pytest.mark.parametrize("framework", HAS)
def test_missing_framework_names_its_extra(framework):
    code = (
        f"import sys; sys.modules[{framework!r}] = None\n"
        f"try: import ganbaru.native.{framework}\n"
        f"except ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"needs {framework}, which is not installed" in done.stdout
    assert f"pip install 'ganbaru[{framework}]'" in done.stdout


def test_choice_of_checkpoint(tmp_path):
    run = save(tmp_path)
    first = {name: x * 1.0 for name, x in run.state["ema"].items()}
    run.images, run.state["ema"] = 40, {name: x * 2 for name, x in first.items()}
    run.save()
    for which, factor in (("newest", 2), ("0", 1), ("40", 2)):
        found = load_player(run.folder.path, which)
        assert_array_equal(found.parameters["stem.conv.weight"], first["stem.conv.weight"] * factor)
    with pytest.raises(InputError, match="no checkpoint '7'"):
        load_player(run.folder.path, "7")
