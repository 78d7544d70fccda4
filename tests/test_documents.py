"""README and docs: commands, Python, links and options work as written."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bench.docs.reference import command_parser
from train_helpers import ROOT, command, divided, pictures, trained

from ganbaru.cli import compare, main, options, serve
from ganbaru.comparison import contestants
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.metrics import evaluator, scorer
from ganbaru.presets import PRESETS

PAGES = ("README.md", "README.ja.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md")
DOCUMENTS = [*(ROOT / name for name in PAGES), *sorted((ROOT / "docs").rglob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SMALL = "images=30_000"  # in the README; two steps here


def blocks(text: str, *languages: str) -> list[str]:
    """Return the fenced blocks of some languages."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for of, block in found if of in languages]


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words after `ganbaru` of each command line in the fenced blocks."""
    for line in "\n".join(blocks(text, "", "sh")).splitlines():
        if found := re.match(r"(?:\S*/)?ganbaru (.+?)(?:\s+#.*)?$", line):
            yield shlex.split(found.group(1))


def links(document: Path) -> list[Path]:
    """Return the files that a document links to or shows."""
    found = re.findall(r"\]\((?!https?:)([^)#\s]+)", document.read_text(encoding="utf-8"))
    return [document.parent / name for name in found]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Return a folder with a tiny run of ten classes at runs/NAME, as the README calls it."""
    folder = tmp_path_factory.mktemp("readme")
    pictures(folder / "pictures.npz", count=240, classes=10)  # as many as scores need
    divided(folder / "my-pictures")
    trained(folder, run=folder / "runs" / "NAME", steps=2)
    return folder


@pytest.mark.parametrize("words", list(commands(README)), ids=" ".join)
def test_commands_of_the_readme_run(words, runs, monkeypatch):
    monkeypatch.chdir(runs)
    if any(word.endswith(".onnx") for word in words):
        pytest.importorskip("onnx")
    if words[0] == "train":
        config = options.config("train", "", words[1:])
        flags = {w[2:].replace("-", "_"): words[i + 1 : i + 2] for i, w in enumerate(words)
                 if w.startswith("--") and w != "--resume"}  # fmt: skip
        assert config.preset in PRESETS
        for name, (given,) in flags.items():
            assert str(getattr(config, name)) in (given, f"{given}.0")
    elif words[0] == "import":  # which would look for the files
        config, files = options.importing("", words[1:])
        assert config.preset in PRESETS and list(files) == ["generator", "discriminator"]
    elif words[0] == "serve":  # which would go on until it is stopped
        assert serve._parser().parse_args(words[1:]).runs
    elif words[0] == "compare":  # which would train for minutes
        _, wanted = options.given(compare._parser(), words[1:], contestants.FREE)
        entrants = [compare._entry(word, contestants.FREE)
                    for word in wanted["contestants"] or ()]  # fmt: skip
        assert all(entrant["preset"] in PRESETS for entrant in entrants)
    elif words[0] != "data" and "--data" not in words:  # which would look for a set
        said = command(*words)
        assert (said.code, said.err) == (0, ""), said


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_modules_and_files_in_documents_exist(document):
    for path in links(document):
        assert path.exists(), path
    text = document.read_text(encoding="utf-8")
    for module in re.findall(r"-m ((?:bench|examples)[\w.]+)", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
    for name in re.findall(r"`((?:src|tests|bench|docs|examples|engines)/[\w./]+)`", text):
        assert any((folder / name).exists() for folder in (ROOT, ROOT / "src" / "ganbaru")), name


def test_python_blocks_of_the_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scorer, "RECIPE", scorer.Recipe(width=4, shown=1280))
    monkeypatch.setattr(evaluator, "CAS_RECIPE", scorer.Recipe(width=4, shown=1280))
    code = blocks(README, "python")
    assert len(code) >= 2 and sum(SMALL in block for block in code) == 1
    known, names = dict(OBJECTIVES), {}
    try:
        for block in code:
            exec(block.replace(SMALL, "steps=2, width=4"), names)
        assert (OBJECTIVES.keys() - known.keys()) == {"my-objective"}
    finally:
        OBJECTIVES.clear(), OBJECTIVES.update(known)
    assert names["images"].shape == (16, 16, 16, 1) and names["images"].dtype == np.uint8


@functools.cache
def options_of_all() -> set[str]:
    """Return every option of every command."""
    parsers = [command_parser(name) for name in main.COMMANDS]
    found = {flag for each in parsers for act in each._actions for flag in act.option_strings}
    return found | {"--help", "--version", "--print-completion"}  # of `ganbaru` itself


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_options_named_in_documents_exist(document):
    text = document.read_text(encoding="utf-8")
    others = (
        "ruff",
        "python -m",
        "torchrun",
        "ffmpeg",
        "make docs-test",
    )  # have options of their own
    lines = [line for line in text.splitlines() if not any(each in line for each in others)]
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", "\n".join(lines)))
    assert named <= options_of_all(), named - options_of_all()
