"""The source tree and its dependencies."""

from __future__ import annotations

import ast
import re

from train_helpers import ROOT


def test_source_has_no_absolute_path_and_starts_no_process():
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.match(r"[A-Z]:\\|/(home|Users|root|tmp)/", node.value), path
            names = [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")]
            assert not {"subprocess", "scipy.misc"} & {*names, getattr(node, "module", "")}, path


def test_every_dependency_has_an_exact_version():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    wanted = set(re.findall(r'"([\w-]+)>=[\d.]+"', project)) - {"cupy-cuda12x"}  # needs a GPU
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    exact = {name.lower() for name in re.findall(r"^([\w-]+)==", pinned, re.MULTILINE)}
    wanted = {name.lower() for name in wanted}
    assert {"numpy", "torch"} <= wanted <= exact, wanted - exact
