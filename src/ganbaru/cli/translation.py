"""Help texts in the language of the reader: English, or Japanese from help_ja.yaml.

Messages and results stay English. The file is read for a page that is not in English alone.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from importlib import resources
from typing import Any

from ganbaru.errors import pick

LANGUAGES = ("en", "ja")
VARIABLE = "GANBARU_LANG"
# Of eucJP or SJIS the output would be unreadable: it is UTF-8 under every locale.
_JAPANESE = re.compile(r"ja(_\w+)?(\.utf-?8)?(@\w+)?", re.IGNORECASE)


class Sentence(str):
    """A help text with values in it, which keeps the template by which its translation is found."""

    template: str
    values: dict[str, str]

    def __new__(cls, template: str, **values: str) -> Sentence:
        """Replace each {name} of a template by the value of that name."""
        self = super().__new__(cls, _filled(template, values))
        self.template, self.values = template, values
        return self


def _filled(template: str, values: dict[str, str]) -> str:
    return functools.reduce(
        lambda text, name: text.replace(f"{{{name}}}", values[name]), values, template
    )


def language() -> str:
    """Return the language of help: $GANBARU_LANG, else the locale's if Japanese, else English."""
    if chosen := os.environ.get(VARIABLE):
        return pick(VARIABLE, chosen, {each: each for each in LANGUAGES})
    locale = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return "ja" if _JAPANESE.fullmatch(next(filter(None, locale), "")) else "en"


@functools.cache
def catalogue() -> dict[str, str]:
    """Return the Japanese of each English text or template."""
    import yaml

    text = resources.files("ganbaru.cli").joinpath("help_ja.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return found


def translator(of: str) -> Callable[[str], str]:
    """Return the function that translates a help text into a language.

    A text without translation, such as a plugin's, stays English.
    """
    return str if of == "en" else _japanese


def _japanese(text: str) -> str:
    if not isinstance(text, Sentence):
        return catalogue().get(text, text)
    values = {name: value.replace(", ", "、") for name, value in text.values.items()}
    return _filled(catalogue().get(text.template, text.template), values)
