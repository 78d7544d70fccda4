"""The command that reproduces a run: its preset, and flags for what differs from it."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

from ganbaru.coerce import shown
from ganbaru.config import TOTALS, Config, flag, from_fields, merged, preset_fields
from ganbaru.presets import PRESETS
from ganbaru.training.starting_point import ARCHITECTURE

# Fields that do not change what is trained.
_PLACE = {"preset", "run", "resume", "overwrite"}


def command(config: Config, name: str) -> str:
    """Return a command line that repeats the training of the run `name`.

    No flag empties a field that a preset sets: then the command reads the run's config.yaml.
    """
    if config.preset in PRESETS:
        preset = preset_fields(config.preset)
        base = from_fields(preset, config.trust)
        # A model to start from replaces the preset's networks, so its fields are said.
        said = {*ARCHITECTURE, "image_size", "channels"} if config.start_from else set()
        changed = {
            field: value
            for field, value in _fields(config).items()
            if (value != getattr(base, field) or field in said) and value is not None
        }
        if _fields(from_fields(merged(preset, changed), config.trust)) == _fields(config):
            words = [config.preset, *(word for pair in changed.items() for word in _words(*pair))]
            return f"ganbaru train {shlex.join(words)}"
    return (
        f"ganbaru train --config {shlex.quote(f'{name}/config.yaml')} --run {shlex.quote(name)}-2"
    )


def _fields(config: Config) -> dict[str, Any]:
    found = dataclasses.asdict(config)
    return {name: value for name, value in found.items() if name not in _PLACE}


def _words(field: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [flag(field) if value else flag(field).replace("--", "--no-", 1)]
    if isinstance(value, tuple):
        return [flag(field), *map(str, value)]
    return [flag(field), shown(value)]


def by_clock(config: Config) -> bool:
    """Return whether a run ends by time alone."""
    return {name for name in TOTALS if getattr(config, name)} == {"minutes"}
