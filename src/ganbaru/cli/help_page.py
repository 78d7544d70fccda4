"""The help page of a command: a line or two for each option, its default in brackets."""

from __future__ import annotations

import argparse
import re
import shutil
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

# Where an option's sentence begins: past "  --checkpoint-every N", so that few need two lines.
COLUMN = 26
WIDEST = 100
Row = tuple[str, str, str]  # name, how it is written, sentence

# What stands together on a line: a word, or one Japanese character with the brackets that open
# before it and the marks that may not begin a line (kinsoku).
_WIDE = "\u2e80-\ufaff\uff00-\uffef"
_UNIT = re.compile(
    rf"\s+|[「（]*(?:[^\s{_WIDE}]+|[^\s「（])[、。」）：；！？ーぁぃぅぇぉっゃゅょァィゥェォッャュョ]*|."
)


def page(
    program: str,
    paragraphs: Sequence[str],
    rows: Sequence[Row],
    headings: Mapping[str, str],
    usage: str,
) -> str:
    """Return the page; a heading stands before the option that it is listed under."""
    width = min(WIDEST, shutil.get_terminal_size().columns)
    positional = [head for _, head, _ in rows if not head.startswith("-")]
    lines = [usage.format(" ".join([program, *positional, "[--OPTION VALUE ...]"])), ""]
    for paragraph in paragraphs:
        lines += wrapped(paragraph, width)
    lines += [""]
    for name, head, sentence in rows:
        if name in headings:
            lines += ["", f"{headings[name]}:"]
        lines += _row(head, sentence, width)
    return "\n".join(lines) + "\n"


def head(action: argparse.Action) -> str:
    """Return how an option is written, such as ``-n, --number N``."""
    value = str(action.metavar or action.dest.upper())
    flags = ", ".join(action.option_strings)
    return flags if action.nargs == 0 else f"{flags} {value}".strip()


def cells(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for each wide character."""
    return len(text) + sum(unicodedata.east_asian_width(each) in "WF" for each in text)


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines of at most `width` columns, if no word is longer."""
    lines = [""]
    for unit in _UNIT.findall(text):
        if lines[-1].strip() and cells(lines[-1] + unit.rstrip()) > width:
            lines.append("")
        lines[-1] += unit if lines[-1] else unit.lstrip()
    return [line.rstrip() for line in lines]


def _row(head: str, sentence: str, width: int) -> Iterator[str]:
    body = wrapped(sentence, max(30, width - COLUMN))
    if len(head) < COLUMN - 3:
        yield f"  {head:{COLUMN - 2}}{body.pop(0)}"
    else:
        yield f"  {head}"
    yield from (" " * COLUMN + line for line in body)
