"""The texts of the pages in English and Japanese: for one reader, or for a page that holds both."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from ganbaru.formatting import duration
from ganbaru.report.curves import WORDS
from ganbaru.report.markup import Markup, joined, tag

Translation = Mapping[str, str]
LANGUAGES = {"en": "EN", "ja": "日本語"}  # and how the switch calls them


def _load() -> dict[str, Any]:
    import yaml

    text = resources.files("ganbaru.report").joinpath("texts.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return found


_FOUND = _load()
TRANSLATIONS: dict[str, Translation] = {
    language: {key: pair[i] or WORDS[key] for key, pair in _FOUND["texts"].items()}
    for i, language in enumerate(LANGUAGES)
}
# Of the doctor's rules by code, and of titles and meanings of metrics by name.
FINDINGS: dict[str, Translation] = {"en": {}, "ja": _FOUND["findings"]}
METRICS: dict[str, Mapping[str, tuple[str, str]]] = {"en": {}, "ja": _FOUND["metrics"]}
SENTENCES: list[tuple[str, str]] = [
    (english, japanese) for english, japanese in _FOUND["sentences"]
]


@dataclass(frozen=True)
class Reader:
    """Who reads a page of the service: the language of its texts, and the theme."""

    text: Translation
    theme: str = "auto"


def preferred(header: str) -> Translation:
    """Return the texts in the language that an Accept-Language header ranks first, else English."""
    best = ("en", 0.0)
    for part in header.split(","):
        tag, _, weight = part.strip().partition(";q=")
        language = tag.partition("-")[0].lower()
        try:
            rank = float(weight or 1)
        except ValueError:
            continue
        if language in TRANSLATIONS and rank > best[1]:
            best = (language, rank)
    return TRANSLATIONS[best[0]]


@functools.cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Return the English sentences as patterns, with their Japanese."""
    return [
        (re.compile(re.sub(r"\\\{\d\\\}", "(.+?)", re.escape(english)), re.S), japanese)
        for english, japanese in SENTENCES
    ]


def sentence(english: str, text: Translation) -> str:
    """Return a text that a file or another module has in English in the reader's language.

    It stays English where `sentences` of texts.yaml has no Japanese for it, and where it is so long
    that matching could take a second.
    """
    translated = text["language"] == "ja" and len(english) < 1000
    for pattern, japanese in _patterns() if translated else ():
        if found := pattern.fullmatch(english):
            return japanese.format(*found.groups())
    return english


def each(make: Callable[[Translation], str], kind: str = "div") -> Markup:
    """Return what `make` makes of each language; the style sheet shows the chosen one."""
    made = {name: make(text) for name, text in TRANSLATIONS.items()}
    return joined(*(tag(kind, part, class_=name, lang=name) for name, part in made.items()))


def both(key: str, *values: object) -> Markup:
    """Return a text in each language, filled with values."""
    return each(lambda text: text[key].format(*values), "span")


def picture(key: str, source: str) -> Markup:
    """Return an image; its text alternative stands beside it, hidden, in each language."""
    return joined(tag("img", src=source, alt=""), tag("span", both(key), class_="hidden"))


def lasting(seconds: float, text: Translation) -> str:
    """Return a duration in words."""
    found = duration(seconds)
    if text["language"] == "ja":
        for unit, word in (("h", "時間"), ("min", "分"), ("s", "秒")):
            found = found.replace(f" {unit}", f" {word}")
    return found
