"""The source tree and its dependencies."""

from __future__ import annotations

import ast
import re

from bench import size
from train_helpers import ROOT

from ganbaru import engines

FRAMEWORKS = ("torch", "tensorflow", "jax", "cupy")


def test_source_has_no_absolute_path_and_starts_no_process():
    for name, nodes in size.modules().items():
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.match(r"[A-Z]:\\|/(home|Users|root|tmp)/", node.value), name
            elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "os":
                assert not re.match("fork|system|popen|(posix_)?spawn", node.attr), name
        used = {part for full in size.names(name) for part in (full, *full.split("."))}
        assert not {"subprocess", "pty", "scipy.misc"} & used, name
        # Whose workers are tested to end with their parent.
        own = name == "ganbaru.comparison.scheduling"
        assert own or not {"multiprocessing", "ProcessPoolExecutor"} & used, name


def _engine(name: str) -> str:
    """Return the engine that a module is part of, "" for none."""
    parts = name.split(".")
    return parts[1] if parts[0] == "engines" and len(parts) > 1 else ""


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
    found = {
        name: {path.partition(".")[0] for path in size.names(name)} & set(FRAMEWORKS)
        for name in size.modules()
    }
    assert found["ganbaru.engines.jax"] == {"jax"} and found["ganbaru.native.torch"] == {"torch"}
    wrong = {name: each - _allowed(name.removeprefix("ganbaru.")) for name, each in found.items()}
    assert {name: each for name, each in wrong.items() if each} == {}


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
