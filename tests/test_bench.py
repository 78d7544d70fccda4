"""The measuring scripts run, at sizes that measure nothing, and what they say can be read."""

from __future__ import annotations

import importlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def ran(module: str, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", module, *words], cwd=ROOT, env=ENVIRONMENT, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_gpu_checks_and_times_an_engine(tmp_path):
    pytest.importorskip("torch")
    words = ["--device", "cpu", "--tiny", "--engines", "torch", "--networks", "dcgan", "dcgan-5x5"]
    done = ran("bench.gpu", *words, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "gpu.json").read_text())
    assert [row["network"] for row in told["checks"]] == ["dcgan", "dcgan-5x5"]
    for row in told["checks"]:
        assert row["agrees"] and row["gradients float64"] < 1e-9 < row["gradients float32"] < 1e-4
    (row,) = told["times"]
    assert math.isclose(row["images/s"], 4 / row["seconds"]) and row["peak MiB"] > 10
    assert "| torch | dcgan |" in (tmp_path / "gpu.md").read_text()


def test_gpu_says_that_there_is_none(tmp_path):
    done = ran("bench.gpu", "--engines", "numpy", "--out", str(tmp_path))
    assert done.returncode == 2 and done.stderr == ""
    assert "No engine computes on 'cuda' here" in done.stdout and not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name,library",
    [
        ("pytorch", "torch"),
        pytest.param("tensorflow", "tensorflow", marks=pytest.mark.compiled),
        pytest.param("jax", "jax", marks=pytest.mark.compiled),
    ],
)
def test_plain_code_learns(name, library):
    """D's loss falls below that of one which says nothing, 2 log 2: reals and fakes come apart."""
    pytest.importorskip(library)
    script = (
        f"from bench.plain.{name} import step\n"
        "advance = step(8, 1, 8)\n"
        "print(*(f'{d} {g}' for d, g in (advance() for _ in range(30))), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=ROOT,
                          env=ENVIRONMENT, capture_output=True, text=True, check=True)  # fmt: skip
    losses = [tuple(map(float, line.split())) for line in done.stdout.splitlines()]
    assert len(losses) == 30 and all(math.isfinite(x) for pair in losses for x in pair)
    assert sum(d for d, _ in losses[-5:]) / 5 < 2 * math.log(2)


@pytest.mark.slow
def test_step_compares_with_plain_code():
    pytest.importorskip("torch")
    words = ["--cases", "64x64x1, width 4", "--rounds", "2", "--engines", "numpy", "torch"]
    done = ran("bench.step", *words)
    assert done.returncode == 0 and done.stderr == "", done
    rows = {line[:18].strip(): line[18:].split() for line in done.stdout.splitlines()[5:]}
    assert list(rows) == ["plain PyTorch", "torch engine", "numpy engine"]
    for name, (middle, least, most, _, ratio, memory) in rows.items():
        assert 0 < float(least) <= float(middle) <= float(most) and float(memory) > 10
        of_plain = float(middle) / float(rows["plain PyTorch"][0])
        assert float(ratio) == pytest.approx(of_plain, abs=0.05), name


@pytest.mark.parametrize("name", ["gpu", "step"])
def test_contestants_are_known_engines(name):
    from ganbaru.engines import LIBRARIES

    sys.path.insert(0, str(ROOT))
    try:
        module = importlib.import_module(f"bench.{name}")
    finally:
        sys.path.remove(str(ROOT))
    tables = {"gpu": lambda: set(module.PEAKS),
              "step": lambda: {one.engine for one in module.CONTESTANTS.values()}}  # fmt: skip
    assert tables[name]() <= set(LIBRARIES)
