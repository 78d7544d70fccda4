"""What commands write besides results: -v, -q, --log-format, and the environment in the help."""

from __future__ import annotations

import json
import logging
import re

import pytest
from train_helpers import ROOT

from ganbaru.cli.main import COMMANDS, ENVIRONMENT, main, usage
from ganbaru.formatting import LOG

SMALL = ["train", "digits", "--steps", "2", "--width", "4", "--held-out", "0"]


def test_quiet_verbose_and_json(tmp_path, capsys):
    run = [*SMALL, "--run", str(tmp_path / "run"), "--overwrite"]
    assert main([*run, "-q"]) == 0
    quiet = capsys.readouterr()
    assert quiet.err == "" and "Done" in quiet.out and "images/" not in quiet.out
    assert "D " not in quiet.out.partition("Done")[0]
    assert main([*run, "-v", "--log-format", "json"]) == 0
    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.err.splitlines()]
    assert {line["logger"] for line in lines} == {"ganbaru"} and len(said.out) > len(quiet.out)
    assert {line["level"] for line in lines} == {"info"}
    assert any(line["message"].endswith(".safetensors") for line in lines)


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_error_is_a_line_of_the_log(form, capsys):
    assert main(["generate", "--log-format", form, "no\nrun"]) == 2
    said = capsys.readouterr().err
    text = json.loads(said)["message"] if form == "json" else said
    assert said.count("\n") == 1 or form == "text"
    assert "--" not in text or "ganbaru" in text
    assert LOG.level == logging.NOTSET and len(LOG.handlers) == 1  # as it was before


def test_an_unknown_form_is_refused(capsys):
    assert main(["presets", "--log-format", "xml"]) == 2
    assert "text or json" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_the_options(command, capsys):
    assert main([command, "--help"]) == 0
    page = capsys.readouterr().out
    assert all(name in page for name in ("-v, --verbose", "-q, --quiet", "--log-format"))


def test_a_suggestion_never_deletes(capsys):
    assert main(["train", "--overwrit"]) == 2
    assert "--overwrite" not in capsys.readouterr().err


def test_all_environment_variables_are_in_help_and_documentation():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    used = {name for text in texts for name in re.findall(r"GANBARU_[A-Z]+(?:_[A-Z]+)*", text)}
    documented = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert used == set(ENVIRONMENT)
    assert all(f"${name}" in usage() and f"`{name}`" in documented for name in used)
