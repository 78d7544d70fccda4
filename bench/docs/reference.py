"""Reference pages made of the code: command line, Python, HTTP, presets."""

from __future__ import annotations

import functools
import html
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import ganbaru
from ganbaru.cli import main, parser, translation
from ganbaru.cli.presets import details
from ganbaru.presets import PRESETS

from .. import reporting

ROWS = ("is", "system", "deviates", "measured", "sets", "ends")


def _cell(text: str) -> str:
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|").replace("*", "\\*")


def _table(headings: Any, rows: Any) -> str:
    return reporting.grid(headings, rows) + "\n"


def command_parser(name: str) -> parser.Parser:
    """Return the parser of a command, as its help page shows it."""
    module = main._MODULES.get(name, name)
    return parser.captured(getattr(importlib.import_module(f"ganbaru.cli.{module}"), module))


TEXTS = {  # of the reference of the command line
    "en": {
        "title": "Command line reference",
        "about": "Generated from the parsers: every command, option and environment variable. "
        "Examples: [commands in context](../command-line.md).",
        "argument": ("argument", "what it is"),
        "environment": "Environment variables",
        "variable": ("variable", "what it is"),
    },
    "ja": {
        "title": "コマンドラインのリファレンス",
        "about": "すべてのコマンド、オプション、環境変数です。"
        "コマンドのヘルプと同じ内容で、コードから生成しています。"
        "使用例は[コマンドの解説](../../command-line.md)（英語）にあります。",
        "argument": ("引数", "説明"),
        "environment": "環境変数",
        "variable": ("変数", "説明"),
    },
}


def command_line(language: str = "en") -> str:
    """Every command, option and environment variable, from the parsers."""
    into, text = translation.translator(language), TEXTS[language]
    parts = [f"# {text['title']}\n\n{text['about']}\n"]
    for name in main.COMMANDS:
        found = command_parser(name)
        parts += [f"## ganbaru {name}\n", *(_cell(into(each)) for each in found.paragraphs), ""]
        rows = [(f"`{head}`", _cell(sentence)) for _, head, sentence in found.rows(into)]
        parts.append(_table(text["argument"], rows))
    rows = [(f"`{name}`", _cell(into(each))) for name, each in main.ENVIRONMENT.items()]
    parts += [f"## {text['environment']}\n", _table(text["variable"], rows)]
    return "\n".join(parts)


def homes() -> dict[str, str]:
    """Return the full name of each public name."""
    homes = ganbaru._HOMES
    return {
        name: f"ganbaru.{homes[name]}.{name}" if name in homes else f"ganbaru.{name}"
        for name in ganbaru.__all__
        if name != "__version__"
    }


def undocumented() -> Iterator[str]:
    """Yield the public names, and public methods of public classes, without a docstring."""
    for name, place in homes().items():
        found = getattr(ganbaru, name)
        documented = name == "PRESETS" or inspect.getdoc(found)
        if not documented:
            yield place
        if inspect.isclass(found) and found.__module__.startswith("ganbaru"):
            for part, member in vars(found).items():
                if not part.startswith("_") and callable(member) and not inspect.getdoc(member):
                    yield f"{place}.{part}"


def python() -> str:
    """Every name of `ganbaru.__all__`, from its docstring and annotations."""
    parts = ["# Python reference\n\nEvery name of `ganbaru.__all__`, generated from its docstring."]
    parts.append("Examples: [Python in context](../python.md).\n")
    for name, place in homes().items():
        found = getattr(ganbaru, name)
        members = sorted(getattr(found, "__all__", ())) if inspect.ismodule(found) else None
        parts.append(f"## ganbaru.{name}\n")
        if name == "PRESETS":
            parts.append(
                "The presets by name, each with its fields of `Config`: [presets](presets.md).\n"
            )
            continue
        if name == "Config":
            fields = str(found.__doc__).partition("Fields:")[2].rstrip()
            parts.append(f"Fields:\n\n```text\n{textwrap.dedent(fields).strip()}\n```\n")
        parts += [f"::: {place}", "    options:"]
        parts += ["      show_root_heading: false", "      heading_level: 3"]
        if members is not None:  # those that are public already are above and below
            shown = [each for each in members if each not in ganbaru.__all__]
            parts.append(f"      members: {shown}")
        parts.append("")
    return "\n".join(parts)


def http() -> str:
    """Every address of `ganbaru serve`, from its OpenAPI document."""
    from ganbaru.serve import app
    from ganbaru.serve import reference as page
    from ganbaru.serve.limits import Limits

    service: Any = SimpleNamespace(limits=Limits())  # the addresses do not depend on models
    document = app.application(service).openapi()
    text = str(page.content(document, "http://127.0.0.1:8000", "NAME"))
    text = re.sub(r"<header>.*?</header>|<p><a .*?</a></p>|</?section>", "", text, flags=re.DOTALL)
    text = re.sub(r"<h2>(.*?)</h2>", lambda found: f"\n\n## {found[1]}\n\n", text)
    about = "Generated from the service's OpenAPI document (`GET /openapi.json`)."
    return f"# HTTP reference\n\n{about} Examples: [serving](../serving.md).\n{text}\n"


def presets() -> str:
    """Every preset: whose settings, where it deviates, what it sets, its measured result."""
    about = "Generated from `presets.py`; `ganbaru presets NAME` prints the same."
    parts = [f"# Presets\n\n{about} Train one by `ganbaru train NAME`.\n"]
    for name in PRESETS:
        rows = [re.match(r"(\w*) *(.*)", line).groups() for line in details(name)]  # type: ignore[union-attr]
        parts += [f"## {name}\n", _table(("", ""), _joined(rows[1:]))]
    return "\n".join(parts)


def _joined(rows: Any) -> list[tuple[str, str]]:
    """Join the lines of each row, whose first alone has a name."""
    found: list[tuple[str, str]] = []
    for name, text in rows:
        if name in ROWS:
            found.append((name, _cell(text)))
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]} {_cell(f'{name} {text}')}")
    return found


PAGES = {
    "reference/cli.md": command_line,
    "ja/reference/cli.md": functools.partial(command_line, "ja"),
    "reference/python.md": python,
    "reference/http.md": http,
    "reference/presets.md": presets,
}
