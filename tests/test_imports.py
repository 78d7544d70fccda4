"""Importing ganbaru loads no framework, and its modules import each other one way only."""

from __future__ import annotations

import ast
import copy
import graphlib
import subprocess
import sys
from fnmatch import fnmatch
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
    "jsonargparse",
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

# What a module of the lower floors may import of ours, lazily or not. A name that ends in * stands
# for a whole folder. Engines are below everything: the names here are theirs alone.
ALLOWED = {
    "ops": [],
    "errors": [],
    "randomness": ["errors"],
    "registry": ["errors"],
    "initial": ["randomness"],
    "norms": ["nn", "ops"],  # nn for types alone
    "nn": ["norms", "ops", "initial", "engines.trace"],
    "objectives": ["ops"],
    "penalties": ["ops"],
    "optim": ["ops"],
    "networks.*": ["nn", "norms", "ops", "errors", "networks.*"],
    "conditioning": ["nn", "norms", "ops", "errors"],
    "step": ["nn", "ops", "optim", "penalties"],
    "engines": ["files", "gpus", "heap", "libraries", "registry", "errors"],
    "libraries": ["errors"],
    "gpus": [],
    "heap": [],
    "files": ["errors"],
    "grids": ["media", "errors", "training"],  # training for types alone
    "held_out": ["config", "data*", "draw", "errors", "model", "ops", "training"],  # and here
    "milestones": ["data*", "errors", "files", "metrics*", "runs", "training"],  # and here
    "tensorboard": ["errors", "files", "grids", "media", "records", "training"],  # and here
    "history": ["files", "grids", "media", "step", "training"],
    "timelapse": ["files", "gif", "grids", "media", "training"],
    "media": ["errors", "files"],
    "gif": ["errors", "files"],
    "film": ["errors", "files", "gif", "media", "png"],
    "png": [],
    "morph": ["errors"],
    "spaces": ["errors"],
    "metrics.copying": ["errors", "metrics.nearest"],
    "metrics.nearest": ["data*"],
    "metrics.neighbour_sheet": ["files", "media", "metrics.nearest"],
    "report.markup": [],
    "report.chart": ["report.markup"],
    "report.pictures": ["errors"],
    "report.repeating": ["config", "presets", "values"],
    "licences": ["config", "registry"],
    "export.folding": ["engines.onnx*"],
    "export.precisions": ["errors"],
    "export.hub": ["errors"],
    "export.page.kernel": [],
    "export.page.packing": ["errors"],
    "serve.replies": ["errors"],
    "serve.limits": ["serve.replies"],
    "serve.words": [],
    "serve.asked": [],
    "serve.live": ["config", "errors", "milestones", "runs"],
    "serve.told": ["report.chart", "report.markup", "serve.live", "serve.words"],
    "data*": ["data*", "media", "files", "errors", "randomness", "registry"],
}
# What a module of the upper floors may not import: what stands on it.
FORBIDDEN = {
    "training": ["cli", "*commands", "options", "serve*"],
    "building": ["callbacks", "records", "samples", "cli", "*commands", "options", "serve*"],
    "callbacks": ["cli", "*commands", "options", "serve*"],
    "records": ["callbacks", "samples", "display", "cli", "*commands", "options", "serve*"],
    "samples": ["callbacks", "history", "timelapse", "tensorboard", "cli", "*commands", "serve*"],
    "display": ["callbacks", "samples", "cli", "*commands", "options", "serve*"],
    "report": ["callbacks", "samples", "building", "cli", "*commands", "options", "serve*"],
    "report.*": ["callbacks", "samples", "building", "cli", "*commands", "options", "serve*"],
    "native*": ["training", "building", "callbacks", "sample", "importing", "cli", "*commands"],
    "export": ["building", "callbacks", "importing", "cli", "*commands", "options", "serve*"],
    "export.*": ["building", "callbacks", "importing", "cli", "*commands", "options", "serve*"],
    "importing": ["callbacks", "sample", "cli", "*commands", "options"],
    "fitting": ["training", "building", "importing", "sample", "cli", "*commands", "options"],
    "sample": ["training", "callbacks", "cli", "*commands", "options", "output", "film"],
    "metrics*": [
        "training",
        "building",
        "callbacks",
        "report*",
        "tournament*",
        "cli",
        "*commands",
        "options",
        "serve*",
    ],
    "model": ["training", "callbacks", "sample", "cli", "*commands", "options"],
    "draw": ["training", "callbacks", "sample", "model", "cli", "*commands", "options"],
    "checkpoint": ["training", "callbacks", "sample", "model", "step", "runs"],
    "config": ["training", "callbacks", "sample", "model", "step", "runs", "options"],
    "serve": ["*"],
    "serve.*": ["training", "building", "callbacks", "records", "cli", "*commands", "options"],
    "tournament*": ["cli", "*commands", "options", "serve*"],
    "*": ["__main__"],
}


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


def _ours(module: str, tree: ast.AST) -> set[str]:
    """Return which of our modules a tree imports; what is imported from one counts as it."""
    found = set()
    for name in _imported(module, tree):
        path = name.partition("ganbaru.")[2] if name.startswith("ganbaru.") else None
        while path and path not in MODULES:
            path = path.rpartition(".")[0]
        if path:
            found.add(path)
    return found


class _AtOnce(ast.NodeTransformer):
    """Keeps what runs when a module is imported: no function's body, nothing for types alone."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:  # noqa: N802
        """Leave it out."""

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_If(self, node: ast.If) -> ast.If | None:  # noqa: N802
        return None if "TYPE_CHECKING" in ast.unparse(node.test) else node


def _match(name: str, patterns) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


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


@pytest.mark.parametrize("module", ["step", "networks.dcgan", "engines.numpy", "config", "model"])
def test_training_on_numpy_loads_no_framework(module):
    script = (
        f"import sys, ganbaru.{module}; print(*sorted(n.partition('.')[0] for n in sys.modules))"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & {*FRAMEWORKS, "sklearn", "matplotlib", "rich", "jsonargparse"}


def test_all_public_names_are_there():
    for name in ganbaru.__all__:
        assert getattr(ganbaru, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ganbaru.nothing


@pytest.mark.parametrize("name", MODULES)
def test_arrows_point_one_way(name):
    imported = _ours(name, MODULES[name]) - {name}
    engine = _engine(name)
    if engine:  # an engine imports its own files alone, or another engine that it is made from
        assert all(_engine(other) for other in imported), imported
    for pattern, allowed in ALLOWED.items():
        if fnmatch(name, pattern) and not engine:
            assert {other for other in imported if not _match(other, allowed)} == set()
    for pattern, forbidden in FORBIDDEN.items():
        if fnmatch(name, pattern):
            assert {other for other in imported if _match(other, forbidden)} == set()
    if name not in ("__main__", "cli"):
        assert not {other for other in imported if _match(other, ["cli", "*commands"])}


def test_no_module_imports_itself_by_a_round_trip():
    """Not counting imports inside functions: a cycle among the others fails or depends on order."""
    graph = {
        name: _ours(name, _AtOnce().visit(copy.deepcopy(tree))) - {name}
        for name, tree in MODULES.items()
    }
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert set(order) == MODULES.keys()


@pytest.mark.parametrize("name", MODULES)
def test_a_framework_is_imported_by_its_own_engine_alone(name):
    roots = {path.partition(".")[0] for path in _imported(name, MODULES[name])}
    own = {engines.LIBRARIES[_engine(name)].module} if _engine(name) in engines.LIBRARIES else set()
    # The NumPy engine computes on CuPy's arrays too.
    allowed = own | ({"cupy"} if _engine(name) == "numpy" else set())
    allowed |= {"torch"} if name == "metrics.literature" else set()
    allowed |= {name.removeprefix("native.")} if name.startswith("native.") else set()
    assert not (roots & set(FRAMEWORKS)) - allowed


def test_the_rules_name_modules_that_exist():
    for pattern in {**ALLOWED, **FORBIDDEN}:
        assert any(fnmatch(name, pattern) for name in MODULES), pattern
