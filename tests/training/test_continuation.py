"""A run begun on one engine is resumed on another, for every pair: one checkpoint format."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path

import engine_names
import numpy as np
import pytest
from train_helpers import newest, tiny

from ganbaru import callbacks, load, train
from ganbaru.training import checkpoint

BEFORE = 20  # steps on the first engine; then ten on the second
# Small enough to compile in a second, and no bias stands before a norm that takes it away again:
# its slope is rounding alone, of which Adam makes whole steps.
SETUP = {
    "conditioning": "none",
    "width": 2,
    "checkpoint_every": 8 * BEFORE,  # the batch is 8
    "sample_every": 10**6,
    "log_every": 80,
    "keep": 2,
}


@pytest.fixture(
    scope="module", params=["float32", pytest.param("float64", marks=pytest.mark.compiled)]
)
def precision(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory, precision) -> Callable[[str], Path]:
    """Return a function that trains 21 steps on an engine, once.

    With checkpoints after 20 steps and at the end.
    """
    folder = tmp_path_factory.mktemp("whole")

    @functools.cache
    def run(name: str) -> Path:
        options = {"engine": name, "precision": precision, **SETUP}
        return _train(folder, run=folder / name, steps=BEFORE + 1, **options)

    return run


def _train(folder: Path, **options) -> Path:
    return train(tiny(folder, **options), [callbacks.Log(), callbacks.Checkpoints()])


def _continued(whole: Path, folder: Path, engine: str, precision: str) -> Path:
    """Copy a run as it was at 20 steps and go on for ten on another engine."""
    run = folder / "run"
    shutil.copytree(whole, run)
    checkpoint.found(run / "checkpoints")[-1].unlink()
    options = {**SETUP, "checkpoint_every": 8, "keep": 99, "precision": precision}
    return _train(whole.parent, run=run, engine=engine, steps=BEFORE + 10, resume=True, **options)


def _assert_same_step(found: dict, expected: dict, relative: float) -> None:
    """Compare two states after one update by the parity rule.

    Weights are compared with the largest of their array, statistics with that of their group: the
    mean of a channel may be near 0.
    """
    assert found.keys() == expected.keys()
    for group, arrays in expected.items():
        largest = max(np.abs(array).max() for array in arrays.values())
        for name, array in arrays.items():
            scale = np.abs(array).max() if group in ("generator", "discriminator") else largest
            off = np.abs(found[group][name] - array).max()
            assert off <= relative * scale, f"{group} {name}: {off} of {scale}"


QUICK = [("tensorflow", "numpy"), ("numpy", "jax")]  # one compilation for each of these engines


def _pairs() -> list:
    """Return every pair; of those that compile, all but `QUICK` only by request."""
    return [
        pytest.param(
            *pair,
            marks=[
                *[pytest.mark.compiled] * (compiles and pair not in QUICK),
                *[pytest.mark.extended] * (pair[0] == pair[1]),  # test_resume.py has them
            ],
        )
        for pair in product(engine_names.NAMES, repeat=2)
        for compiles in [bool({*pair} & {*engine_names.COMPILED})]
    ]


@pytest.mark.parametrize("first,second", _pairs())
def test_a_run_goes_on_on_any_engine(whole_run, tmp_path, precision, first, second):
    """The first step after the switch is the uninterrupted run's; later ones stay finite."""
    for name in (first, second):
        engine_names.engine(name, precision)  # or skip
    whole = whole_run(first)
    run = _continued(whole, tmp_path, second, precision)
    after = run / "checkpoints" / checkpoint.found(whole / "checkpoints")[-1].name
    (found, header), (expected, _) = checkpoint.load(after), newest(whole)
    assert header.step == BEFORE + 1 and header.config["engine"] == second
    _assert_same_step(found, expected, {"float32": 1e-4, "float64": 1e-7}[precision])
    last, header = newest(run)
    assert header.step == BEFORE + 10
    assert all(np.isfinite(array).all() for arrays in last.values() for array in arrays.values())
    pictures = load(run, engine=first).sample(6).astype(int)
    assert np.abs(pictures - load(run, engine=second).sample(6)).max() <= 1
