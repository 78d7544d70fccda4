"""Every command that a message proposes can be pasted: it ends the message, quoted for a shell."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from train_helpers import ROOT, command, needs_posix

from ganbaru import errors
from ganbaru.callbacks import Display
from ganbaru.cli import main, run_summary
from ganbaru.config import from_preset
from ganbaru.training import run_folder

ODD = 'it\'s my "best" run; $HOME &\n(2)'


def hints(text: str) -> list[list[str]]:
    """Return the words of the commands in a text: each runs to the end of its message."""
    found = re.findall(r"(?<![\w`/])ganbaru ((?:" + "|".join(main.COMMANDS) + r"|--help).*)", text)
    return [shlex.split(each) for each in found]


def parses(words: list[str]) -> bool:
    """Return whether our own parser takes words: only help is printed, nothing runs."""
    return command(*words, *([] if "--help" in words else ["--help"])).code == 0


SAID = {
    "unknown command": ["trian"],
    "unknown option": ["generate", "--nmber", "3"],
    "missing positional": ["export"],
    "unknown preset": ["train", "mnits"],
    "no data": ["train", "dcgan"],
    "checkpoint": ["import", "FILE"],
}


@pytest.mark.parametrize("name", SAID)
def test_hints_of_messages_parse(name, tmp_path, trained_run):
    file = tmp_path / ODD.replace("\n", "") / "a.safetensors"
    file.parent.mkdir()
    file.write_bytes(next((trained_run() / "checkpoints").iterdir()).read_bytes())
    said = command(*(file if word == "FILE" else word for word in SAID[name]))
    found = hints(said.out + "\n" + said.err)
    assert found and all(map(parses, found)), said
    assert name != "checkpoint" or found == [["generate", str(file)]]


@needs_posix
@pytest.mark.parametrize("total", [{"images": 60_000}, {"minutes": 1.5}, {"epochs": 0.1}])
def test_commands_of_a_run_can_be_pasted(total):
    config = from_preset("digits", **total)
    folder = run_folder.Folder(Path("runs") / ODD)
    run = SimpleNamespace(folder=folder, config=config, finished=True, stopped="", images=0, step=0,
                          seconds=0.0)  # fmt: skip
    found = re.findall(r"^[A-Z][\w ]+: ganbaru (.*)$", "\n".join(run_summary.closing(run)), re.M)
    assert len(found) == 2
    for each in found:
        words = pasted(each)
        assert f"runs/{ODD}" in words and parses(words)
    ((name, value),) = total.items()
    assert pasted(found[1])[-2:] == [f"--{name}", f"{2 * value:.15g}"]


def pasted(text: str) -> list[str]:
    """Return the words that bash reads."""
    env = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    code = f"printf '%s\\0' {text}"
    return subprocess.check_output(["bash", "-c", code], env=env).decode().split("\0")[:-1]


@needs_posix
def test_a_command_begins_as_the_process_was_started(tmp_path, monkeypatch):
    def begins(script: Path | str) -> list[str]:
        monkeypatch.setattr(errors._Program, "words", ("ganbaru",))
        errors.started_as(str(script))
        return pasted(errors.command_line("train", "a b"))[:-2]

    script = tmp_path / "bin" / "ganbaru"
    script.parent.mkdir()
    script.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert begins(script) == [str(script)]  # `make train` starts .venv/bin/ganbaru
    assert begins("src/ganbaru/__main__.py") == [sys.executable, "-m", "ganbaru"]
    monkeypatch.setenv("PATH", str(script.parent))
    assert begins(script) == ["ganbaru"]


@needs_posix
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_quoted_words_are_what_a_shell_reads(text):
    assert pasted(errors.quoted(text)) == [text]


def test_only_the_helper_writes_commands():
    """A literal command in a message is code in backticks, or this test names the file."""
    pages = {"main.py", "reproduction.py", "page.py"}  # the help page; the report's own code
    pattern = re.compile(
        r"(?<![\w`.])(?:ganbaru (?:" + "|".join(main.COMMANDS) + r")\b|pip install)"
    )
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text if pattern.search(text) else "")
        documents = {id(node.body[0].value) for node in ast.walk(tree)
                     if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef))
                     and node.body and isinstance(node.body[0], ast.Expr)}  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                literal = id(node) not in documents and pattern.search(node.value)
                assert not literal or path.name in pages, f"{path}: {node.value}"


def test_no_message_puts_a_stop_after_a_command():
    """A command from the helper is the last thing in its message."""
    calls = r"\{(?:command_line|pip_install|[\w\[\]'.]*\.pip)\b[^{}]*\}(?=[^\"\s\n])"
    for path in (ROOT / "src").rglob("*.py"):
        assert not re.search(calls + r"(?!\{)", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("extra", ["torch", "serve"])
def test_missing_package_names_the_pip_of_this_python(extra, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    found = shlex.split(str(errors.missing_extra("x needs y", extra)).partition("with: ")[2])
    assert found == [sys.executable, "-m", "pip", "install", f"ganbaru[{extra}]"]


# --- the length of a run ----------------------------------------------------------------------


class Clock:
    """A run whose clock is set by hand."""

    def __init__(self) -> None:
        self.share = self.seconds = 0.0
        self.images = 0


def test_estimate_comes_once_and_leaves_the_first_steps_out(capsys):
    display, run = Display(), Clock()
    display.start(run)
    for step in range(1, 60):
        run.seconds = 100 + step if step > 2 else 50 * step  # the first two compile
        run.share = step / 1000
        display.step(run, None)
    said = [line for line in capsys.readouterr().out.splitlines() if "about" in line]
    assert len(said) == 1
    minutes, seconds = map(int, re.search(r"about (\d+) min (\d+) s", said[0]).groups())
    assert abs(60 * minutes + seconds - 995) < 2


def test_default_run_ends_by_images_with_milestones():
    config = from_preset("digits")
    assert config.images and not config.minutes
    assert np.ceil(config.images / config.sample_every) >= 8
