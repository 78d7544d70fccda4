"""The documentation as a whole: its navigation, languages, questions, notebooks, and the runner."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from bench.docs import __main__ as runner
from bench.docs import notebooks, pages, reference
from japanese import faults
from train_helpers import ROOT

import ganbaru

DOCS = ROOT / "docs"
WITHOUT = {"tutorials/index.md"}  # its Japanese is ja/index.md
PARTS = sorted(
    path.relative_to(DOCS).as_posix()
    for part in ("tutorials", "how-to")
    for path in (DOCS / part).glob("*.md")
)
TRANSLATED = [
    ("README.md", "README.ja.md"),
    *((f"docs/{name}", f"docs/ja/{name}") for name in PARTS if name not in WITHOUT),
]

JAPANESE = [
    "README.ja.md",
    *sorted(str(each.relative_to(ROOT)) for each in (DOCS / "ja").rglob("*.md")),
]


def text(name: str | Path) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    words = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"[-\s]+", "-", each) for each in words}


def _prose(name: str) -> str:
    """Return a page without its blocks and comments."""
    return re.sub(r"^```.*?^```$|<!--.*?-->", "", text(name), flags=re.MULTILINE | re.DOTALL)


def _shape(name: str) -> tuple[list[str], list[str], list[str]]:
    """Return a page's code, the names of its pictures, and the levels of its headings."""
    shown = [each for each in pages.blocks(text(name)) if each.language in (*pages.KINDS, "text")]
    code = [each.text for each in shown if not ("-q" in each.text and "runs/NAME" in each.text)]
    pictures = [Path(path).name for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", _prose(name))]
    return code, pictures, re.findall(r"^(#+) ", _prose(name), re.MULTILINE)


def _details(name: str) -> tuple[Counter[str], Counter[str]]:
    """Return the code within a page's prose, and the numbers outside of it."""
    code = (" ".join(each.split()) for each in re.findall(r"`([^`]+)`", _prose(name)))
    rest = re.sub(r"`[^`]+`|\]\([^)]*\)|^#+ .*$", "", _prose(name), flags=re.MULTILINE)
    return Counter(code), Counter(re.findall(r"\d[\d,.]*\d|\d", rest))


@pytest.mark.parametrize("english, japanese", TRANSLATED)
def test_both_languages_have_the_same_code_pictures_headings_and_numbers(english, japanese):
    assert _shape(japanese) == _shape(english)
    # Japanese writes "two" as 2, too, and may repeat a name.
    (code, numbers), (same, written) = _details(english), _details(japanese)
    assert not code - same and not numbers - written
    assert not [each for each in same if each not in " ".join(text(english).split())]


@pytest.mark.parametrize("name", JAPANESE)
def test_japanese_pages_are_japanese(name):
    assert len(re.findall(r"[ぁ-ん]", text(name))) > 100
    assert not faults(re.sub(r"`.*?`|[A-Za-z]+://\S+", "", _prose(name)))


def test_japanese_texts_use_the_words_of_the_glossary():
    page = text("docs/glossary.md")
    refused = re.findall(r"^\| (\S+) \| \S+ \|$", page.partition("| not | but |")[2], re.M)
    used = page.partition("## Japanese")[0]
    assert len(refused) > 10 and not [word for word in refused if word in used]
    sources = ("cli/help_ja.yaml", "report/texts.yaml", "export/page/translations.js")
    for name in (*JAPANESE, *(f"src/ganbaru/{source}" for source in sources)):
        assert not [word for word in refused if word in text(name)], name


def test_every_page_is_in_the_navigation_once():
    listed: list[str] = []

    def walk(part):
        for each in part.values() if isinstance(part, dict) else part:
            listed.append(each) if isinstance(each, str) else walk(each)

    walk(yaml.safe_load(text("mkdocs.yml"))["nav"])
    there = {str(path.relative_to(DOCS).as_posix()) for path in DOCS.rglob("*.md")}
    assert sorted(listed) == sorted({*there, *reference.PAGES})


@pytest.mark.parametrize("folder", ["how-to", "ja/how-to"])
def test_each_of_the_31_questions_has_an_answer(folder):
    questions = (DOCS / folder / "index.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+)\. .+\| \[.+\]\((\S+)#(\S+)\)", questions, re.M)
    assert [int(number) for number, *_ in rows] == list(range(1, 32))
    for _, page, anchor in rows:
        assert anchor in _anchors(DOCS / folder / page), (page, anchor)


def test_the_reference_has_every_public_name_option_address_and_preset():
    assert not list(reference.undocumented())
    python, line = reference.python(), reference.command_line()
    for name in {*ganbaru.__all__} - {"__version__"}:
        assert f"## ganbaru.{name}\n" in python
    for name in reference.main.COMMANDS:
        for action in reference.command_parser(name)._actions:
            assert all(flag in line for flag in action.option_strings), (name, action)
    assert all(name in line for name in reference.main.ENVIRONMENT)
    assert all(f"## {name}\n" in reference.presets() for name in ganbaru.PRESETS)


def test_the_http_reference_has_every_address():
    pytest.importorskip("fastapi")
    page = reference.http()
    for address in ("/api/models", "/api/models/{name}/images", "/health/live"):
        assert address in page
    assert "seeds" in page and "truncation" in page


PAGE = """
<!-- run: echo hidden -->
```sh
echo one two; echo three
```

```text
one
...
```

```python
x = 3
```

<!-- skip: cannot -->
```sh
exit 1
```

```python
print(x + 1)
```

```text
{}
```
"""


@pytest.mark.parametrize("shown, fault", [("4", False), ("5", True)])
def test_the_runner_runs_blocks_in_order_and_compares_outputs(tmp_path, shown, fault):
    page, folder = tmp_path / "page.md", tmp_path / "folder"
    page.write_text(PAGE.replace("{}", shown).replace("one\n...", "one two\n..."))
    folder.mkdir()
    ran = list(pages.run(page, folder))
    assert [each.block.language for each in ran] == ["sh", "sh", "python", "python"]
    assert [bool(each.fault) for each in ran] == [False, False, False, fault]


def test_a_command_that_fails_and_python_that_raises_are_faults(tmp_path):
    page = tmp_path / "page.md"
    for number, block in enumerate(("```sh\nfalse\n```\n", "```python\n1 / 0\n```\n")):
        page.write_text(block)
        (tmp_path / str(number)).mkdir()
        (only,) = pages.run(page, tmp_path / str(number))
        assert only.fault


def test_every_block_of_every_page_is_run_or_says_why_not():
    run, elsewhere = {*runner.executed()}, [ROOT / name for name in runner.ELSEWHERE]
    assert {ROOT / name for name in runner.QUICK} <= run
    for page in (*ROOT.glob("*.md"), *DOCS.rglob("*.md")):
        for block in pages.blocks(page.read_text(encoding="utf-8")):
            assert block.language in ("sh", "python", "text", "toml"), (page, block.line)
            translated = any(page.is_relative_to(place) for place in elsewhere)
            assert block.language not in pages.KINDS or page in run or translated, page


def test_marks_leave_blocks_out_and_shorten_them():
    page = "<!-- short: train --run: --images 9; train: --images 7 --width 4 -->\n```sh\n"
    page += "ganbaru train digits  # long\nganbaru train --run x\necho ganbaru train\n```\n"
    found, other = pages.blocks(page + "<!-- skip: no -->\n```sh\nganbaru train\n```\n")
    assert found.command.splitlines() == [
        "ganbaru train digits --images 7 --width 4  # long",
        "ganbaru train --run x --images 9",
        "echo ganbaru train",
    ]
    assert (found.skip, other.skip, other.command) == ("", "no", "ganbaru train\n")


@pytest.mark.parametrize("name", notebooks.NOTEBOOKS)
def test_notebooks_have_the_cells_of_their_tutorials(name):
    made = json.loads((notebooks.FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    page = DOCS / "tutorials" / f"{name}.md"
    fresh = notebooks.cells(page, [], Path("."))
    assert [each["source"] for each in made["cells"]] == [each["source"] for each in fresh]
    assert any(each.get("outputs") for each in made["cells"])
