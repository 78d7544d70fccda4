"""Text from files cannot drive the terminal, forge lines, or become markup."""

from __future__ import annotations

import ast
import io
import json
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from train_helpers import ROOT, command

from ganbaru.cli import tables
from ganbaru.formatting import as_markdown, printable, say, say_json

EVIL = "\x1b]0;owned\x07\x9b31m\r\nganbaru: forged\x08\u202egnp\u2066\x7f\ud800[red]:smile:<b>|`*"
PRINTING = ("print", "sys.stdout.write", "sys.stderr.write")
KEPT = "猫 émile 👩‍👩‍👧 علی‌رضا c\\d [1]"


def harmful(text: str) -> list[str]:
    """Return the characters that may change what a terminal shows elsewhere."""
    found = [one for one in text if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp")]
    return [*found, *(one for one in text if unicodedata.bidirectional(one) in
                      ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))]  # fmt: skip


@given(st.text())
def test_printable(text):
    assert harmful(printable(text)) == []
    if not harmful(text) and text.isprintable():
        assert printable(text) == text


def test_what_may_be_printed_is_kept():
    assert printable(KEPT) == KEPT


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.just(EVIL))
def test_json_stays_json_for_every_encoding(text):
    for encoding in ("utf-8", "ascii", "cp1252"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        say(*json.dumps({text: [text]}, ensure_ascii=False).split("\n"), file=stream)
        printed = stream.buffer.getvalue().decode(encoding)
        assert json.loads(printed) == {text: [text]} and harmful(printed.rstrip("\r\n")) == []


def test_printed_json(capsys):
    say_json({"a": [EVIL, 1]})
    assert json.loads(capsys.readouterr().out) == {"a": [EVIL, 1]}


def test_tables(capsys):
    tables.show_rows(["a", EVIL], [["[bold]x[/bold]", EVIL], ["[/]", ":cat:"]])
    out = capsys.readouterr().out
    assert harmful(out.replace("\n", "")) == [] and "\x1b" not in out
    assert "[bold]x[/bold]" in out and "[/]" in out and ":cat:" in out and "[red]:smile:" in out


MARKUP = [
    *("a|b", "`code`", "<script>alert(1)</script>", "[x](http://evil)", "www.evil.com", "*a*"),
    *("a\nb", "![x](y)", "@someone", "&lt;", "---\nlicense: mit", "[x]: http://evil", "a\\|b"),
]


@pytest.mark.parametrize("text", MARKUP)
def test_markdown_shows_text_as_it_is(text):
    """A backslash is before each character that would be markup, and that is all that is added."""
    shown = as_markdown(text)
    assert re.sub(r"\\(.)", r"\1", shown) == printable(text)
    left = re.sub(r"\\.", "", shown)
    assert not set(left) & set("|`<*&@\n") and not re.search(r"\]\(|://|www\.", left)


def test_only_one_function_prints():
    """Thus text from files is escaped wherever it is printed."""
    found = []
    for path in (ROOT / "src" / "ganbaru").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in PRINTING:
                found.append(path.name)
    # tables.py prints tables, whose cells it escapes.
    assert sorted(found) == ["formatting.py", "tables.py"]


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A set of images whose classes and whose path have such names."""
    monkeypatch.chdir(tmp_path)
    name = "\x1b[31m\u202e\nganbaru: forged <script>[red]"
    folder = tmp_path / f"set {name.replace('/', '')}"
    from PIL import Image

    for kind in ("a", "b"):
        (folder / f"{kind}{name}").mkdir(parents=True)
        for i in range(9):
            pixels = np.random.default_rng(i).integers(0, 256, (16, 16), np.uint8)
            Image.fromarray(pixels).save(folder / f"{kind}{name}" / f"{i}.png")
    return folder


def test_commands(evil, tmp_path):
    tiny = ["--image-size", 16, "--width", 4, "--latent", 8, "--batch", 8, "--steps", 1]
    run = "r\x1b[2J\u202e\nx"
    lines = [
        ["data", evil],
        ["train", "digits", "--data", evil, "--run", run, *tiny],
        ["train", "digits", "--data", evil, "--run", run, *tiny],
        ["generate", run, "-n", 4, "-o", "x.png"],
        ["generate", run, "--label", "c\x1b[0m\n"],
        ["generate", "absent\x1b[0m\n"],
        ["export", run, "-o", "out\x1b"],
        ["report", run],
    ]
    for words in lines:
        said = command(*words)
        assert said.code in (0, 2) and harmful((said.out + said.err).replace("\n", "")) == []
        assert not [
            each
            for each in (said.out + said.err).splitlines()
            if each.startswith("ganbaru: forged")
        ]
    report = next((tmp_path / "runs").rglob("report.html")).read_text()
    assert "<script>" not in report
    card = (tmp_path / "out\x1b" / "README.md").read_text()
    assert "\x1b" not in card and "\n<script>" not in card and "forged \\<script" in card
