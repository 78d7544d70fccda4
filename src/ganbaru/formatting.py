"""Text for terminals, where files may have supplied it; numbers and durations as text."""

from __future__ import annotations

import codecs
import json
import re
import sys
from typing import Any, TextIO

# Control characters, which may drive a terminal; line separators; marks that reverse the order in
# which text is shown; invisible tags; halves of surrogate pairs, which no encoding has.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
    r"\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """Return a line of text with JSON's escapes of the characters that may harm a terminal."""
    return _UNPRINTABLE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


def _escape_lacking(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


ESCAPE = "ganbaru.escape"  # the way to encode what an encoding lacks, for `errors=`
codecs.register_error(ESCAPE, _escape_lacking)


def encodable(text: str, stream: TextIO) -> str:
    """Return text with JSON's escapes of the characters that a stream's encoding lacks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode(encoding, ESCAPE).decode(encoding)
    return text


# What Markdown takes for code, emphasis, HTML, a table's edge, an entity, a mention or a link.
_MARKUP = re.compile(r"[\\`*<>|&~@]|\](?=[(\[:])|:(?=//)|(?<=www)\.")


def as_markdown(text: str) -> str:
    """Return a line of text as Markdown that shows it as it is."""
    return _MARKUP.sub(r"\\\g<0>", printable(text))


def say(*lines: str, file: TextIO | None = None) -> None:
    """Print lines, each `printable`, and flush; all that commands print goes through here.

    Characters that the stream's encoding lacks are escaped too.
    """
    stream = file or sys.stdout
    print(encodable("\n".join(map(printable, lines)), stream), file=stream, flush=True)


def say_json(content: Any) -> None:
    """Print plain values as JSON."""
    say(*json.dumps(content, indent=1, ensure_ascii=False).split("\n"))


def number(value: float, form: str = ".4g") -> str:
    """Return a number with four significant digits, or whole with commas from 1,000 on."""
    return f"{value:,.0f}" if abs(value) >= 1000 else format(value, form)


def clock(seconds: float) -> str:
    """Return a duration as M:SS or H:MM:SS."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """Return a duration in words, such as 1 h 2 min, 2 min 3 s or 4.5 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
