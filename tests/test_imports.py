"""Importing ganbaru loads no framework, and its modules import each other one way only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ganbaru
from ganbaru import engines

ROOT = Path(ganbaru.__file__).parent
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


def _modules() -> dict[str, ast.Module]:
    """Return every module of ours by its name below ganbaru ("" is ganbaru itself)."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = _modules()
PACKAGES = {name for name in MODULES if (ROOT / name.replace(".", "/") / "__init__.py").exists()}


def _imported(module: str, tree: ast.AST) -> set[str]:
    """Return all absolute names that a tree imports, its own package's relative ones resolved."""
    base = f"ganbaru.{module}".split(".") if module else ["ganbaru"]
    if module not in PACKAGES:
        base = base[:-1]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = base[: len(base) - node.level + 1] if node.level else []
            home = ".".join([*above, *filter(None, [node.module])])
            found |= {f"{home}.{alias.name}" for alias in node.names}
    return found


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


@pytest.mark.parametrize(
    "module", ["gan.step", "networks.dcgan", "engines.numpy", "config", "gan.models"]
)
def test_training_on_numpy_loads_no_framework(module):
    script = (
        f"import sys, ganbaru.{module}; print(*sorted(n.partition('.')[0] for n in sys.modules))"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & {*FRAMEWORKS, "sklearn", "matplotlib", "rich"}


def test_all_public_names_are_there():
    for name in ganbaru.__all__:
        assert getattr(ganbaru, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ganbaru.nothing


@pytest.mark.parametrize("name", MODULES)
def test_a_framework_is_imported_by_its_own_engine_alone(name):
    roots = {path.partition(".")[0] for path in _imported(name, MODULES[name])}
    own = {engines.LIBRARIES[_engine(name)].module} if _engine(name) in engines.LIBRARIES else set()
    # The NumPy engine computes on CuPy's arrays too.
    allowed = own | ({"cupy"} if _engine(name) == "numpy" else set())
    # Imported by what cannot work without it: the literature's scorer, the processes of a run.
    allowed |= {"torch"} if name in ("metrics.inception", "ranks.processes") else set()
    allowed |= {"jax"} if name == "ranks.mesh" else set()
    allowed |= {name.removeprefix("native.")} if name.startswith("native.") else set()
    assert not (roots & set(FRAMEWORKS)) - allowed


@pytest.mark.parametrize("former", ganbaru._RENAMED)
def test_a_former_name_of_a_module_is_imported_in_every_way(former):
    code = (
        f"import ganbaru.{former} as one\nfrom ganbaru import {former} as two\nimport ganbaru\n"
        f"from importlib import import_module\n"
        f"now = import_module('ganbaru.{ganbaru._RENAMED[former]}')\n"
        f"assert one is two is ganbaru.{former} is now and one.__name__ == now.__spec__.name"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
