"""The CuPy engine without a GPU: the NumPy engine's code on a stand-in that refuses what CuPy does.

See `stand_ins/cupy`. What needs a real GPU is in `bench/gpu.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from gan_cases import NORMS
from helpers import NUMPY32, NUMPY64, assert_close, normal, table
from numpy.testing import assert_allclose
from train_helpers import command, newest, pictures

from ganbaru import engines, ops, registry
from ganbaru.errors import InputError
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.gan.penalties import PENALTIES

# The current GPU is each thread's own.
pytestmark = pytest.mark.usefixtures("several_threads")
STAND_INS = str(Path(__file__).parents[1] / "stand_ins")


@pytest.fixture
def cupy(monkeypatch):
    """Put the stand-in in CuPy's place, and take every trace of it away again."""
    homes = [name for name in sys.modules if name.partition(".")[0] == "cupy"]
    for name in [*homes, "ganbaru.engines.cupy"]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(STAND_INS)
    engines.load.cache_clear()
    import cupy

    yield cupy
    engines.load.cache_clear()
    for name in ("cupy", "ganbaru.engines.cupy"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.fixture
def engine(cupy):
    """The engine on the second GPU: what forgets to say which GPU it means fails there."""
    found = engines.load("cupy", "cuda:1", "float64")
    yield found
    cupy.cuda.Device(0).use()


def assert_same_game(engine, reference=NUMPY64, relative=1e-12, steps=3, **options):
    """Play on both engines: every number of the state and the report."""
    ours, theirs = table(engine, **options), table(reference, **options)
    for number in range(steps):
        found, expected = ours.step(number), theirs.step(number)
        for name, value in expected.items():
            assert_allclose(found[name], value, rtol=relative, atol=relative)
    arrays = ours.arrays()
    for group, expected in theirs.arrays().items():
        for name, array in expected.items():
            assert arrays[group][name].dtype == array.dtype
            # A bias before batch norm has no gradient but rounding's, of which Adam makes steps.
            scale = float(np.abs(array).max(initial=0))
            assert_allclose(arrays[group][name], array, rtol=0, atol=relative * scale + 1e-8)


GAMES = [
    *({"objective": name} for name, one in OBJECTIVES.items() if one.logits == 1),
    *({"penalty": n, "conditioning": "projection", **NORMS.get(n, {})} for n in PENALTIES),
    {"conditioning": "planes", "spectral_norm": "both", "optimiser": "rmsprop", "clip": 0.05},
    {"conditioning": "class-norm", "minibatch_deviation": True, "short_batch": True},
    {"share": "fakes", "order": "g-first", "distribution": "uniform"},
    {"network": "dcgan-5x5", "objective": "two-class"},
]


@pytest.mark.parametrize("options", GAMES, ids=lambda gan: " ".join(map(str, gan.values())))
def test_games_equal_those_of_numpy(engine, options):
    assert_same_game(engine, **options)


@pytest.mark.parametrize("network", registry.names("networks"))
def test_networks_equal_those_of_numpy(engine, network):
    logits = getattr(registry.module("networks", network, None), "LOGITS", 1)
    objective = "non-saturating" if logits == 1 else "two-class"
    shape = (64, 64, 1) if network == "patchgan" else (32, 32, 3)
    assert_same_game(engine, network=network, objective=objective, shape=shape, width=4, steps=1)


def test_large_arrays_are_taken_whole_by_the_calling_thread(engine):
    """At sizes that the NumPy engine cuts into blocks for its threads."""
    assert_same_game(engine, width=64, batch=24, shape=(32, 32, 3), steps=1, relative=1e-9)


def test_float32_stays_float32(cupy):
    engine = engines.load("cupy", precision="float32")
    assert_same_game(engine, NUMPY32, relative=1e-4, conditioning="projection", penalty="r1")


def test_sampling_equals_numpys(engine):
    ours, theirs = table(engine), table(NUMPY64)
    for number in range(2):
        ours.step(number), theirs.step(number)
    found, expected = (gan.sampler().sample(5, labels=None) for gan in (ours, theirs))
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1


def test_a_run_trains_resumes_and_samples(cupy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "good.npz")
    words = ["train", "--data", "good.npz", "--image-size", 16, "--batch", 8, "--width", 4]
    said = command(*words, "--steps", 3, "--run", "a", "--engine", "cupy")
    assert said.code == 0 and "cupy on cuda (CuPy 13.0.0, Stand-in 0)" in said.out, said
    assert command("train", "--run", "a", "--resume", "--steps", 5).code == 0
    assert command(*words, "--steps", 5, "--run", "b", "--engine", "numpy").code == 0
    (ours, header), (theirs, _) = newest(tmp_path / "runs/a"), newest(tmp_path / "runs/b")
    assert header.config["engine"] == "cupy" and header.step == 5
    for name, array in theirs["generator"].items():
        assert_close(ours["generator"][name], array, 2e-2)  # float32 runs drift apart
    assert command("generate", "a", "-n", 4, "--engine", "cupy").code == 0


# --- devices ----------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cuda:2", "cpu", "cuda:x", "mps"])
def test_a_device_it_does_not_have_is_refused(cupy, device):
    message = f"'{device}'.*'cuda' or 'cuda:N', and 2 GPUs were found"
    with pytest.raises(InputError, match=message):
        engines.load("cupy", device)


def test_without_a_gpu_it_says_so(cupy, monkeypatch):
    monkeypatch.setattr(cupy, "GPUS", 0)
    with pytest.raises(InputError, match="0 GPUs were found; on a CPU use --engine numpy"):
        engines.load("cupy")


# --- the stand-in -----------------------------------------------------------------------------


def test_the_stand_in_refuses_what_cupy_does(engine, cupy):
    x = engine.from_numpy(normal(2, 3))
    for wrong in (lambda: x + normal(2, 3), lambda: np.asarray(x), lambda: x[np.arange(1)],
                  lambda: cupy.maximum(x, normal(2, 3)), lambda: np.sqrt(x),
                  lambda: np.zeros_like(x), lambda: normal(2, 3) * x):  # fmt: skip
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(AttributeError):
        cupy.errstate  # noqa: B018
    cupy.cuda.Device(0).use()
    with pytest.raises(ValueError, match="array device = 1 while current = 0"):
        x + 1.0
    cupy.cuda.Device(1).use()
    assert float(x.sum()) == normal(2, 3).sum()
    assert ops.engine(x) is type(engine)
