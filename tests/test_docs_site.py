"""The documentation as a whole: its navigation, languages, questions, notebooks, and the runner."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from bench.docs import __main__ as runner
from bench.docs import notebooks, pages, reference
from train_helpers import ROOT

import ganbaru

DOCS = ROOT / "docs"
TUTORIALS = sorted({path.name for path in (DOCS / "tutorials").glob("*.md")} - {"index.md"})
TRANSLATED = [
    ("README.md", "README.ja.md"),
    *((f"docs/tutorials/{name}", f"docs/ja/tutorials/{name}") for name in TUTORIALS),
]


def text(name: str | Path) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    words = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"[-\s]+", "-", each) for each in words}


def _shape(name: str) -> tuple[list[str], list[str], list[str]]:
    """Return a page's code, the names of its pictures, and the levels of its headings."""
    page = text(name)
    code = [each.text for each in pages.blocks(page) if each.language in ("sh", "python", "text")]
    hidden = [each for each in code if "-q" in each and "runs/NAME" in each]
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    pictures = [Path(path).name for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", prose)]
    levels = re.findall(r"^(#+) ", prose, re.MULTILINE)
    return [each for each in code if each not in hidden], pictures, levels


@pytest.mark.parametrize("english, japanese", TRANSLATED)
def test_both_languages_have_the_same_code_pictures_and_headings(english, japanese):
    assert _shape(japanese) == _shape(english)
    assert len(re.findall(r"[ぁ-ん]", text(japanese))) > 150


def test_every_page_is_in_the_navigation_once():
    listed: list[str] = []

    def walk(part):
        for each in part.values() if isinstance(part, dict) else part:
            listed.append(each) if isinstance(each, str) else walk(each)

    walk(yaml.safe_load(text("mkdocs.yml"))["nav"])
    there = {str(path.relative_to(DOCS).as_posix()) for path in DOCS.rglob("*.md")}
    assert sorted(listed) == sorted({*there, *reference.PAGES})


def test_each_of_the_31_questions_has_an_answer():
    rows = re.findall(
        r"^\| (\d+)\. .+\| \[answer\]\((\S+)#(\S+)\)", text("docs/how-to/index.md"), re.M
    )
    assert [int(number) for number, *_ in rows] == list(range(1, 32))
    for _, page, anchor in rows:
        assert anchor in _anchors(DOCS / "how-to" / page), (page, anchor)


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


def test_pages_that_are_run_have_blocks_of_known_languages_alone():
    assert {ROOT / name for name in runner.QUICK} <= {*runner.executed()}
    for page in runner.executed():
        for block in pages.blocks(page.read_text(encoding="utf-8")):
            assert block.language in ("sh", "python", "text", "toml"), (page, block.line)


@pytest.mark.parametrize("name", notebooks.NOTEBOOKS)
def test_notebooks_have_the_cells_of_their_tutorials(name):
    made = json.loads((notebooks.FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    page = DOCS / "tutorials" / f"{name}.md"
    fresh = notebooks.cells(page, [], Path("."))
    assert [each["source"] for each in made["cells"]] == [each["source"] for each in fresh]
    assert any(each.get("outputs") for each in made["cells"])
