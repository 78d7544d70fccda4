"""What Japanese pages may not contain: English sentences, and plain endings of verbs."""

from __future__ import annotations

import html
import re

ENGLISH = re.compile(r"(?:\b[a-z][a-z'-]+[,.:;]? +){3,}")  # four words and more
PLAIN = re.compile(r"(?:ない|いく|する|れる|ある|だ|(?<!ま)(?<!で)した)。")


def _text(part: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "\n", part))


def faults(page: str) -> list[str]:
    """Return the lines in the Japanese parts of a page that are English or of another style."""
    parts = re.findall(r'<(\w+) class="ja" lang="ja">(.*?)</\1>', page, re.S)
    shown = [text for _, text in parts] or [page]
    bare = (re.sub(r"<(pre|script|style|head)\b.*?</\1>", "", each, flags=re.S) for each in shown)
    lines = [line for each in bare for line in _text(each).splitlines()]
    assert sum(not line.isascii() for line in lines) > 3, "no Japanese at all"
    return [line for line in lines if ENGLISH.search(line) or PLAIN.search(line)]
