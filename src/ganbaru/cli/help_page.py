"""The help page of a command: a line or two for each option, its default in brackets."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence

# Where an option's sentence begins: past "  --checkpoint-every N", so that few need two lines.
COLUMN = 26
WIDEST = 100


def page(
    program: str,
    description: str,
    actions: Sequence[argparse.Action],
    headings: Mapping[str, str],
    defaults: Mapping[str, str],
) -> str:
    """Return the page; a heading stands before the option that it is listed under."""
    width = min(WIDEST, shutil.get_terminal_size().columns)
    positional = [_head(action) for action in actions if not action.option_strings]
    lines = [f"usage: {' '.join([program, *positional])} [--OPTION VALUE ...]", ""]
    for paragraph in description.splitlines():
        lines += textwrap.wrap(paragraph, width, break_on_hyphens=False)
    lines += [""]
    for action in actions:
        if action.dest in headings:
            lines += ["", f"{headings[action.dest]}:"]
        default = defaults.get(action.dest)
        sentence = f"{action.help} [{default}]" if default else str(action.help)
        lines += _row(_head(action), sentence, width)
    return "\n".join(lines) + "\n"


def _head(action: argparse.Action) -> str:
    """Return how an option is written, such as ``-n, --number N``."""
    value = str(action.metavar or action.dest.upper())
    flags = ", ".join(action.option_strings)
    return flags if action.nargs == 0 else f"{flags} {value}".strip()


def _row(head: str, sentence: str, width: int) -> Iterator[str]:
    body = textwrap.wrap(sentence, max(30, width - COLUMN), break_on_hyphens=False)
    if len(head) < COLUMN - 3:
        yield f"  {head:{COLUMN - 2}}{body.pop(0)}"
    else:
        yield f"  {head}"
    yield from (" " * COLUMN + line for line in body)
