"""Importing ganbaru loads no framework, and its modules import each other one way only."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ganbaru

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


def test_a_former_name_of_a_module_is_imported_in_every_way():
    code = "import ganbaru\nfrom importlib import import_module\n" + "".join(
        f"import ganbaru.{former} as one\nfrom ganbaru import {former} as two\n"
        f"now = import_module('ganbaru.{now}')\n"
        f"assert one is two is ganbaru.{former} is now and one.__name__ == now.__spec__.name\n"
        for former, now in ganbaru._RENAMED.items()
    )
    subprocess.run([sys.executable, "-c", code], check=True)
