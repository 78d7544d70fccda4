"""The command that repeats a run: its preset, and flags for what differs from it."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

from ganbaru.coerce import shown
from ganbaru.config import TOTALS, Config, flag, from_fields, merged, preset_fields
from ganbaru.presets import PRESETS

# Where a run goes and whether it goes on are no part of what it is.
_ELSEWHERE = {"preset", "run", "resume", "overwrite"}


def command(config: Config, name: str) -> str:
    """Return a command line that trains as the run `name` did.

    A field that a preset sets and that is to be empty has no flag: then it is the run's own file.
    """
    if config.preset in PRESETS:
        preset = preset_fields(config.preset)
        given = {field: value for field, value in _fields(config).items()
                 if value != getattr(from_fields(preset), field) and value is not None}  # fmt: skip
        again = from_fields(merged(preset, given))
        if _fields(again) == _fields(config):
            words = [config.preset, *(word for pair in given.items() for word in _words(*pair))]
            return f"ganbaru train {shlex.join(words)}"
    return (
        f"ganbaru train --config {shlex.quote(f'{name}/config.yaml')} --run {shlex.quote(name)}-2"
    )


def _fields(config: Config) -> dict[str, Any]:
    found = dataclasses.asdict(config)
    return {name: value for name, value in found.items() if name not in _ELSEWHERE}


def _words(field: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [flag(field) if value else flag(field).replace("--", "--no-", 1)]
    if isinstance(value, tuple):
        return [flag(field), *map(str, value)]
    return [flag(field), shown(value)]


def by_clock(config: Config) -> bool:
    """Say whether it is the clock alone that ends a run."""
    return {name for name in TOTALS if getattr(config, name)} == {"minutes"}
