"""Shell completion, the environment variables in help and docs, and what suggestions leave out."""

from __future__ import annotations

import ast
import dataclasses
import re
import subprocess

import pytest
from train_helpers import ROOT, command, needs_posix

from ganbaru import PRESETS, Config
from ganbaru.cli import main
from ganbaru.cli.parser import captured
from ganbaru.config import flag
from ganbaru.gan.objectives import OBJECTIVES


@pytest.fixture(scope="module")
def bash() -> str:
    pytest.importorskip("shtab")
    said = command("--print-completion", "bash")
    assert (said.code, said.err) == (0, "")
    return said.out


def completed(script: str, *words: str) -> set[str]:
    line = " ".join(f"'{word}'" for word in words)
    code = (f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}\n"
            "_shtab_ganbaru\nprintf '%s\\n' \"${COMPREPLY[@]}\"")  # fmt: skip
    said = subprocess.run(["bash", "-c", code], capture_output=True, text=True)
    assert said.stderr == ""
    return {word.strip() for word in said.stdout.split("\n")} - {""}


@needs_posix
def test_bash_completes_commands_options_and_names(bash):
    assert completed(bash, "ganbaru", "") >= {*main.COMMANDS}
    flags = {flag(f.name) for f in dataclasses.fields(Config) if f.name != "preset"}
    assert completed(bash, "ganbaru", "train", "--") >= flags
    assert completed(bash, "ganbaru", "train", "--objective", "") >= {*OBJECTIVES}
    digits = {name for name in PRESETS if name.startswith("cgan")}
    assert completed(bash, "ganbaru", "train", "cgan") == digits


def test_another_shell_is_refused_with_the_choices():
    pytest.importorskip("shtab")
    said = command("--print-completion", "csh1")
    assert said.code == 2 and "bash" in said.err and "zsh" in said.err


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "shtab", None)
    said = command("--print-completion", "bash")
    assert said.code == 2 and "ganbaru[completion]" in said.err


@pytest.mark.parametrize("name", main.COMMANDS)
def test_no_suggestion_for_an_unknown_option_deletes(name):
    """Of each command, for misspellings of its options that delete, too."""
    module = main._MODULES.get(name, name)
    made = captured(getattr(__import__(f"ganbaru.cli.{module}", fromlist=[module]), module))
    flags = [each for action in made._actions for each in action.option_strings]
    for wrong in (
        "--overwite",
        "--overwrit",
        "--over-write",
        "--overrite",
        "--owerwrite",
        "--delete",
    ):
        said = made._unexpected(wrong)
        assert "--overwrite" not in said, said
    assert not [each for each in flags if re.search("delete|remove|force|clean", each)]


def read_variables() -> set[str]:
    """Return the environment variables that the source names where it reads the environment."""
    found = set()
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "environ" in text or "getenv" in text:
            strings = (n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant))
            found |= {
                s for s in strings if isinstance(s, str) and re.fullmatch(r"[A-Z]+(_[A-Z]+)+", s)
            }
    return found - {"RESOURCE_EXHAUSTED"}  # what JAX's message of full memory begins with


def test_all_environment_variables_are_in_the_docs_and_our_own_in_help():
    found, page = read_variables(), (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    own = {name for name in found if name.startswith("GANBARU_")}
    assert own == set(main.ENVIRONMENT) and own <= set(
        re.findall(r"\$(\w+)", command("--help").out)
    )
    assert found <= set(re.findall(r"`(\w+)`", page)), found
