"""Text for terminals, where files may have supplied it; numbers and durations as text."""

from __future__ import annotations

import base64
import codecs
import csv
import dataclasses
import html
import io
import json
import logging
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, TextIO

from ganbaru.errors import in_terms

LOG = logging.getLogger("ganbaru")  # commands write it to stderr; a program does as it likes
LOG.addHandler(logging.NullHandler())


class Verbosity:
    """What the output of a command leaves out: with `quiet` all progress."""

    quiet = False


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
    """Print lines, if any, each `printable`, and flush; all that commands print goes through here.

    Characters that the stream's encoding lacks are escaped too.
    """
    stream = file or sys.stdout
    if not lines:
        return
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


# --- how objects are shown by Python and in notebooks -------------------------------------------

LONGEST = 480  # characters of an object's text


def brief(value: Any) -> str:
    """Return a short text of a value: arrays by shape, long texts cut, many items counted."""
    shape = getattr(value, "shape", ())
    if isinstance(shape, tuple) and shape:
        return f"array {tuple(shape)}"
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        parts = len(value) > 3 or sum(len(repr(one)) for one in value) > 60
        return f"{len(value)} items" if parts or isinstance(value, dict) else repr(value)
    text = f"{value:.4g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class Brief:
    """Base of dataclasses (`repr=False`) with a text of at most `LONGEST` characters.

    It shows the fields that `SHOWN` names, or all.
    """

    SHOWN: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        names = self.SHOWN or tuple(vars(self))
        text = ", ".join(f"{name}={brief(getattr(self, name))}" for name in names)
        text = text if len(text) <= LONGEST - 40 else f"{text[: LONGEST - 43]}..."
        return f"{type(self).__name__}({text})"


def html_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table; all cells are escaped."""
    lines = [("th", headings), *(("td", row) for row in rows)]
    cells = (
        "".join(f"<{kind}>{html.escape(printable(str(cell)))}</{kind}>" for cell in row)
        for kind, row in lines
    )
    return f"<table>{''.join(f'<tr>{each}</tr>' for each in cells)}</table>"


def with_interval(value: float, low: float | None, high: float | None) -> str:
    """Return a number and its interval, such as 11.5 [8.6, 14.4].

    Both end where the interval's half width has two digits: further ones are noise.
    """
    if low is None or high is None or not 0 < high - low < math.inf:
        return f"{value:.4g}"
    places = max(0, 1 - math.floor(math.log10((high - low) / 2)))
    return f"{value:.{places}f} [{low:.{places}f}, {high:.{places}f}]"


def csv_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV: numbers in full, nothing for None."""
    made = io.StringIO()
    csv.writer(made, lineterminator="\n").writerows([headings, *rows])
    return made.getvalue()


_TEX: dict[str, str | int | None] = {sign: f"\\{sign}" for sign in "&%$#_{}"}
_TEX |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_TEX |= {"±": r"$\pm$", "<": "$<$", ">": "$>$"}
TEX_MARK = "% made by ganbaru"


def latex_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as LaTeX's tabular, which needs no package; all cells are escaped."""
    cells = (
        [printable(str(cell)).translate(str.maketrans(_TEX)) for cell in row]
        for row in (headings, *rows)
    )
    top, *lines = (f"{' & '.join(row)} \\\\" for row in cells)
    body = [top, r"\hline", *lines]
    columns = "l" * len(headings)
    return "\n".join([TEX_MARK, rf"\begin{{tabular}}{{{columns}}}", *body, r"\end{tabular}", ""])


def html_picture(png: bytes, width: int, text: str) -> str:
    """Return an HTML picture that holds its PNG; `text` describes it."""
    data = base64.b64encode(png).decode()
    return f'<img src="data:image/png;base64,{data}" width="{width}" alt="{html.escape(text)}">'


def differing(one: Any, base: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that differ from those of another, by name."""
    names = (field.name for field in dataclasses.fields(one))
    return {n: getattr(one, n) for n in names if getattr(one, n) != getattr(base, n)}


def call(name: str, keywords: Mapping[str, Any], *first: Any) -> str:
    """Return a call as Python writes it, at most `LONGEST` characters of it."""
    given = (f"{key}={value!r}" for key, value in keywords.items())
    text = ", ".join([*map(repr, first), *given])
    return f"{name}({text if len(text) < LONGEST - 20 else f'{text[: LONGEST - 23]}...'})"


def sentence(field: dataclasses.Field[Any]) -> str:
    """Return the help sentence of a configuration's field, in Python's terms."""
    return in_terms(str(field.metadata["help"]).replace("{known}", "a known name"))


def document(kind: Any) -> None:
    """Add the fields of a configuration's class, with defaults and sentences, to its docstring."""
    each = (f"    {f.name} = {f.default!r}: {sentence(f)}" for f in dataclasses.fields(kind))
    kind.__doc__ = "\n".join([f"{kind.__doc__ or ''}".rstrip(), "", "Fields:", "", *each])


def field_table(one: Any, base: Any) -> str:
    """Return an HTML table of the fields that differ from another configuration's."""
    fields = {field.name: sentence(field) for field in dataclasses.fields(one)}
    rows = ((name, value, fields[name]) for name, value in differing(one, base).items())
    return html_table(("field", "value", "what it is"), rows)
