"""Importing ganbaru loads no framework, and its modules import each other one way only."""

from __future__ import annotations

import subprocess
import sys

import pytest
from bench import size

import ganbaru
from ganbaru import engines

FRAMEWORKS = ("torch", "tensorflow", "jax", "cupy")
SLOW = (
    *FRAMEWORKS,
    "sklearn",
    "matplotlib",
    "PIL",
    "rich",
    "scipy",
    "yaml",
    "tensorboard",
    "tensorboardX",
    "onnx",
    "onnxruntime",
    "huggingface_hub",
    "playwright",
    "fastapi",
    "uvicorn",
    "pydantic",
)


def _engine(name: str) -> str:
    """Return the engine that a module is part of, "" for none."""
    parts = name.split(".")
    return parts[1] if parts[0] == "engines" and len(parts) > 1 else ""


def test_importing_ganbaru_loads_no_framework_and_nothing_slow():
    script = "import sys, ganbaru; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    command = [sys.executable, "-W", "error", "-c", script]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "ganbaru" in loaded
    assert not set(loaded) & set(SLOW)


def test_training_on_numpy_loads_no_framework():
    script = (
        "import sys, ganbaru.gan.step, ganbaru.networks.dcgan, ganbaru.engines.numpy\n"
        "import ganbaru.config, ganbaru.gan.models\n"
        "print(*sorted(name.partition('.')[0] for name in sys.modules))"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & {*FRAMEWORKS, "sklearn", "matplotlib", "rich"}


def test_all_public_names_are_there():
    for name in ganbaru.__all__:
        assert getattr(ganbaru, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ganbaru.nothing


def _allowed(name: str) -> set[str]:
    """Return the frameworks that a module of ours may import, anywhere in it."""
    engine = _engine(name)
    allowed = {engines.LIBRARIES[engine].module} if engine in engines.LIBRARIES else set()
    # The NumPy engine computes on CuPy's arrays too.
    allowed |= {"cupy"} if engine == "numpy" else set()
    # Imported by what cannot work without it: the literature's scorer, the processes of a run.
    allowed |= {"torch"} if name in ("metrics.inception", "ranks.processes") else set()
    allowed |= {"jax"} if name == "ranks.mesh" else set()
    return allowed | ({name.removeprefix("native.")} if name.startswith("native.") else set())


def test_a_framework_is_imported_by_its_own_engine_alone():
    trees = size.modules()
    found = {
        name: {path.partition(".")[0] for path in size.names(name, trees)} & set(FRAMEWORKS)
        for name in trees
    }
    assert found["ganbaru.engines.jax"] == {"jax"} and found["ganbaru.native.torch"] == {"torch"}
    wrong = {name: each - _allowed(name.removeprefix("ganbaru.")) for name, each in found.items()}
    assert {name: each for name, each in wrong.items() if each} == {}


def test_a_former_name_of_a_module_is_imported_in_every_way():
    code = "import ganbaru\nfrom importlib import import_module\n" + "".join(
        f"import ganbaru.{former} as one\nfrom ganbaru import {former} as two\n"
        f"now = import_module('ganbaru.{now}')\n"
        f"assert one is two is ganbaru.{former} is now and one.__name__ == now.__spec__.name\n"
        for former, now in ganbaru._RENAMED.items()
    )
    subprocess.run([sys.executable, "-c", code], check=True)
