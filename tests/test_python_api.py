"""The Python API is visible to `dir`, `help` and type checkers; each command is a function."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import os
import pydoc
import re
import resource
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import ganbaru
from ganbaru import api, comparison, metrics
from ganbaru.cli.main import COMMANDS
from ganbaru.config import Config
from ganbaru.metrics import memorization

ROOT = Path(ganbaru.__file__).parent
FUNCTIONS = [
    *(getattr(ganbaru, n) for n in ganbaru.__all__ if inspect.isfunction(getattr(ganbaru, n))),
    *(getattr(api, name) for name in api.__all__),
]
METHODS = [
    function
    for kind in (ganbaru.Generator, metrics.Evaluation, metrics.Score, comparison.Result)
    for name, function in inspect.getmembers(kind, inspect.isfunction)
    if not name.startswith("_")
]
# Objects of any type are right here: objectives and penalties take the tensors of any engine.
ANY = ("objective", "penalty")


def _bound(tree: ast.Module) -> set[str]:
    """Return the names that a stub re-exports."""
    found = [
        alias for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    assigned = [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    assigned += [node.targets[0] for node in tree.body if isinstance(node, ast.Assign)]
    shown = {alias.asname for alias in found if alias.asname} | {node.id for node in assigned}
    return shown - {"__all__"}


def test_all_names_are_seen_by_dir_by_help_and_by_type_checkers():
    assert set(ganbaru.__all__) <= set(dir(ganbaru))
    tree = ast.parse((ROOT / "__init__.pyi").read_text())
    assert _bound(tree) == {*ganbaru.__all__, *ganbaru._RENAMED}
    listed = [node for node in tree.body if isinstance(node, ast.Assign)][-1]
    assert ast.literal_eval(listed.value) == ganbaru.__all__
    assert {*ganbaru._HOMES, *ganbaru._PACKAGES, "__version__"} == set(ganbaru.__all__)
    assert (ROOT / "py.typed").exists()


def test_help_lists_all_names():
    page = pydoc.plain(pydoc.render_doc(ganbaru))
    for name in {*ganbaru.__all__} - {"__version__"}:
        assert name in page, name
    assert ganbaru.__version__ in page


def test_help_has_a_sentence_for_each_field():
    page = pydoc.plain(pydoc.render_doc(Config))
    for field in dataclasses.fields(Config):
        assert f"{field.name} = {field.default!r}: " in page
    assert "--" not in page.partition("Fields:")[2].partition("Methods")[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_function_of_its_name(command):
    name = {"import": "import_weights", "hub": "push_to_hub"}.get(command, command)
    assert name in api.__all__ and inspect.isfunction(getattr(api, name))
    assert (inspect.getdoc(getattr(api, name)) or "").strip()


@pytest.mark.parametrize("function", {f.__qualname__: f for f in (*FUNCTIONS, *METHODS)}.values())
def test_the_types_of_public_functions_are_known(function):
    if function.__name__ in ANY:
        return
    plain = inspect.unwrap(function)
    given = inspect.signature(plain).parameters.values()
    assert all(p.annotation is not p.empty for p in given if p.name != "self")
    returned = plain.__annotations__["return"]
    assert returned not in ("Any", "object") and "Any]" not in returned.replace("str, Any]", "")


def test_defaults_of_the_functions_are_those_of_the_commands():
    assert inspect.signature(api.generate).parameters["number"].default == 64
    assert inspect.signature(api.morph).parameters["frames"].default == 60


def test_functions_write_what_the_commands_write(trained_run, tmp_path, monkeypatch):
    monkeypatch.setattr(api.computing, "LIBRARIES", {"numpy": api.computing.LIBRARIES["numpy"]})
    run = trained_run()
    path = api.generate(run, tmp_path / "a.png", number=4, progress=False)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert api.morph(run, tmp_path / "a.gif", frames=3).read_bytes()[:3] == b"GIF"
    with pytest.raises(ganbaru.InputError):
        api.generate(run, tmp_path / "a.tiff")
    assert set(api.presets()) == set(ganbaru.PRESETS)
    assert [table.rows for table in api.describe(ganbaru.from_preset("digits"))]
    assert [found.engine for found in api.engines()] == ["numpy"]
    with pytest.raises(ganbaru.InputError):
        api.conformance(preset="digits", run="runs/x")


def test_importing_takes_a_tenth_of_a_second_of_processor_time():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", "import ganbaru; dir(ganbaru)"]
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    bare = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = (after.ru_utime - before.ru_utime) - (bare.ru_utime - start.ru_utime)
    assert taken < 0.1


TEN_LINES = """
import ganbaru

config = ganbaru.from_preset("digits", minutes=1)
run = ganbaru.train(config, progress=False)
generator = ganbaru.load(run)
images = generator.sample(16, seed=0)
found = ganbaru.evaluate(run)
value = found.scores["frechet"].value
result = ganbaru.compare(["digits", "mnist"], images=1000)
error = ganbaru.InputError("x")
film = ganbaru.api.morph(run)
reveal_type((config, run, generator, found, value, result, error, film, ganbaru.PRESETS))
"""


@pytest.mark.extended
def test_the_wheel_has_the_types(tmp_path):
    """Build the wheel and check ten lines of a user against it, and nothing else of ours."""
    repository = ROOT.parents[1]
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path)]
    made = subprocess.run([*build, str(repository)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"the wheel cannot be built here: {made.stderr[-200:]}")
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "site"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, installed], check=True)
    (tmp_path / "user.py").write_text(TEN_LINES)
    environment = {**os.environ, "MYPYPATH": str(installed), "PYTHONPATH": ""}
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", "user.py"],
        capture_output=True, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    # Of the wheel's own files, which an installer would put where mypy reports nothing, no word.
    own = [line for line in checked.stdout.splitlines() if line.startswith("user.py")]
    assert own and not [line for line in own if ": error:" in line], own
    assert not re.search(r"\bAny\b", own[-1].replace("tuple[Any, ...]", "")), own


@pytest.mark.parametrize(
    "kind",
    [Config, ganbaru.Generator, metrics.Evaluation, comparison.Result, memorization.Authenticity],
)
def test_types_of_the_fields_are_known(kind):
    hints = typing.get_type_hints(kind) if kind is not Config else {}
    assert all(hint is not typing.Any for hint in hints.values())
