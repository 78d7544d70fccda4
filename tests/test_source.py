"""The source tree and its dependencies."""

from __future__ import annotations

import ast
import re

from train_helpers import ROOT


def _of_os(node: ast.AST) -> str:
    """Return x of `os.x`, "" for other code."""
    found = isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "os"
    return node.attr if found else ""


def test_source_has_no_absolute_path_and_starts_no_process():
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.match(r"[A-Z]:\\|/(home|Users|root|tmp)/", node.value), path
            names = [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")]
            used = {*names, getattr(node, "module", "")}
            assert not {"subprocess", "pty", "scipy.misc"} & used, path
            # Whose workers are tested to end with their parent.
            own = path.match("comparison/scheduling.py")
            assert own or not {"multiprocessing", "ProcessPoolExecutor"} & used, path
            assert not re.match("fork|system|popen|(posix_)?spawn", _of_os(node)), path


def test_every_dependency_has_an_exact_version():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    wanted = set(re.findall(r'"([\w-]+)>=[\d.]+"', project)) - {"cupy-cuda12x"}  # needs a GPU
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    exact = {name.lower() for name in re.findall(r"^([\w-]+)==", pinned, re.MULTILINE)}
    wanted = {name.lower() for name in wanted}
    assert {"numpy", "torch"} <= wanted <= exact, wanted - exact


def test_locked_requirements_have_hashes_and_the_same_versions():
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    versions = dict(re.findall(r"^([\w-]+)==([^;\s]+)", pinned, re.MULTILINE))
    lines = (ROOT / "requirements-ci.txt").read_text(encoding="utf-8").splitlines()
    locked = [line for line in lines if not line.startswith("#")]
    for line in locked:
        found = re.fullmatch(r"([\w-]+)==(\S+) --hash=sha256:[0-9a-f]{64}", line)
        assert found, line
        assert versions.get(found[1], found[2]) == found[2], line
    assert len(locked) > 30 and not any("torch" in line for line in locked)


def test_workflows_may_only_read_and_name_actions_by_commit():
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        assert "\npermissions: {contents: read}\n" in text, path
        # A job of its own may write pages, and prove to a package index who it is; nothing else.
        rest = text.replace("    permissions: {pages: write, id-token: write}\n", "")
        rest = rest.replace("    permissions: {id-token: write}\n", "")
        assert "write" not in rest, path
        used = re.findall(r"uses: (?!\./)(\S+)", text)  # those of this repository have no commit
        assert used and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", each) for each in used), used
