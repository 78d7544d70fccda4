"""`ganbaru presets`: list the presets, or show one with the flags that it sets."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from ganbaru.cli import run_summary
from ganbaru.cli.parser import Parser
from ganbaru.cli.tables import show_rows
from ganbaru.coerce import shown
from ganbaru.config import flag, from_preset, preset_fields
from ganbaru.formatting import say
from ganbaru.presets import PRESETS


def presets(arguments: Sequence[str]) -> None:
    """List the presets, or show all about one."""
    parser = Parser("presets", "List the presets, or show all about one.")
    parser.add_positional("preset", "the one to show", required=False)
    args = parser.parse_args(arguments)
    if hasattr(args, "preset"):
        say(*details(args.preset))
    else:
        show_rows(("preset", "what it is", "system", "data", "size", "measured"), _rows())


def _rows() -> Iterator[Sequence[str]]:
    for name, preset in PRESETS.items():
        config = from_preset(name)
        data, size = config.data or "--data", config.image_size or "as it is"
        yield name, preset.summary, preset.system, data, size, preset.measured


def details(name: str) -> list[str]:
    """Return lines of all about a preset: its source, deviations, measured result and flags."""
    preset_fields(name)  # or the error with near matches
    preset = PRESETS[name]
    rows = {
        "preset": name,
        "is": preset.summary,
        "system": preset.system,
        "deviates": preset.deviations,
        "measured": preset.measured,
        "sets": " ".join(_flag(*item) for item in preset.options.items() if item[1] != ""),
        "ends": run_summary.length(from_preset(name)),
    }
    return [
        f"{'' if i else heading:10}{line}"
        for heading, text in rows.items()
        for i, line in enumerate(textwrap.wrap(text, 86, break_on_hyphens=False))
    ]


def _flag(field: str, value: object) -> str:
    return flag(field) if value is True else f"{flag(field)} {shown(value)}"
