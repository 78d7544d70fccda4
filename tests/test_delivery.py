"""What is delivered: the README's links in a package index, and what a server's container has."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from types import ModuleType

import pytest
import yaml
from train_helpers import ROOT

from ganbaru import engines

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def hook(monkeypatch):
    """The build's metadata hook, without hatchling, which only a build needs."""
    interface = ModuleType("hatchling.metadata.plugin.interface")
    interface.MetadataHookInterface = object
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize("base", ["https://forge.example/me/ganbaru", None])
def test_links_and_pictures_of_the_readme_are_absolute_if_there_is_an_address(hook, base):
    found = hook.MetadataHook()
    found.root = str(ROOT)
    metadata = {"urls": {"Repository": base}} if base else {}
    found.update(metadata)
    text = metadata["readme"]["text"]
    targets = re.findall(r"\]\(([^()\s]+)\)", text)
    assert len(targets) > 15
    if not base:
        assert text == (ROOT / "README.md").read_text(encoding="utf-8")
        return
    pictures = re.findall(r"!\[[^]]*\]\(([^()\s]+)\)", text)
    assert pictures and all(each.startswith(f"{base}/raw/main/docs/images/") for each in pictures)
    for target in targets:  # of files that exist
        assert target.startswith(base)
        assert (ROOT / target.removeprefix(base).split("/main/")[1].partition("#")[0]).exists()


def test_no_address_is_stated_but_the_repositorys_own():
    urls = PROJECT.get("urls", {})
    assert all(url.startswith(urls["Repository"]) for url in urls.values())
    own = re.compile(r"https?://[^\s\"')<>]*ganbaru/ganbaru")
    places = (ROOT, *(ROOT / name for name in ("docs", "src", "examples", "bench", ".github")))
    kinds = {".md", ".py", ".yml", ".cff", ".toml", ".ipynb", ".html", ".js"}
    files = [each for place in places for each in place.glob("**/*" if place != ROOT else "*")]
    texts = {each: each.read_text("utf-8") for each in files if each.suffix in kinds}
    assert len(texts) > 300
    stated = {found for text in texts.values() for found in own.findall(text)}
    assert all(url.startswith(urls.get("Repository", "none")) for url in stated), stated


def test_workflows_and_forms_are_yaml():
    found = {
        path: yaml.safe_load(path.read_text("utf-8")) for path in ROOT.glob(".github/**/*.yml")
    }
    assert sum("jobs" in each for each in found.values()) == 3 and len(found) > 5


def test_the_citation_is_that_of_this_version():
    """Fields that the Citation File Format 1.2.0 requires, and those that pyproject.toml has, too.

    `cffconvert --validate` checks the whole schema.
    """
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert found["cff-version"] == "1.2.0" and found["message"] and found["title"]
    people, entities = {"family-names", "given-names"}, {"name"}
    assert found["authors"] and all(each.keys() in (people, entities) for each in found["authors"])
    assert found["version"] == PROJECT["version"] and found["license"] == PROJECT["license"]
    assert found["type"] == "software" and not {"repository-code", "url"} & found.keys()


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("0", "0")])
def test_commands_send_no_telemetry_unless_the_user_wants_it(monkeypatch, before, after):
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "")  # put back at the end
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
    if before:
        monkeypatch.setenv("ORT_DISABLE_TELEMETRY", before)
    engines.own_process()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == after


def names(lines) -> set[str]:
    found = (re.match(r"[A-Za-z0-9_.-]+", line) for line in lines if not line.startswith("#"))
    return {each[0].lower() for each in found if each}


def test_a_server_has_what_it_needs_and_nothing_else():
    listed = names((ROOT / "requirements-serve.txt").read_text(encoding="utf-8").splitlines())
    extras = PROJECT["optional-dependencies"]
    assert names(extras["serve"]) | names(extras["onnx"]) <= listed
    assert not listed & {"scikit-learn", "scipy", "matplotlib", "pooch", "requests"}
    assert listed <= names(PROJECT["dependencies"]) | names(extras["serve"]) | names(extras["onnx"])


def test_the_container_has_no_root():
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    final = text[text.rindex("FROM ") :]
    assert re.search(r"^USER (?!root\b|0\b)", final, re.MULTILINE)
    assert "requirements-serve.txt" in text and '"serve"' in final
