"""The texts of the pages in English and Japanese, chosen by the browser's Accept-Language."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

import yaml

from ganbaru.report.curves import WORDS

Translation = Mapping[str, str]


def _load(language: str) -> Translation:
    file = resources.files("ganbaru.serve").joinpath(f"static/{language}.yaml")
    found: Translation = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found


TRANSLATIONS: dict[str, Translation] = {"en": {**WORDS, **_load("en")}, "ja": _load("ja")}


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
