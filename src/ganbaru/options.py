"""Command-line parsers on jsonargparse, with errors in one sentence instead of a usage page."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from ganbaru.config import PRESETS, Config, flag, from_preset, load_yaml, to_yaml
from ganbaru.errors import InputError, did_you_mean, unknown
from ganbaru.runs import existing

# Named by a positional argument instead of a flag, or written by us alone.
_NO_FLAG = {"preset"}


class Parser(ArgumentParser):
    """A parser whose errors are InputErrors: one readable message, the near matches of a flag."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the message as an InputError."""
        raise InputError(_readable(message, self._flags()))

    def _flags(self) -> list[str]:
        return [option for action in self._actions for option in action.option_strings]


def _readable(message: str, flags: Sequence[str]) -> str:
    stray = re.search(r"[Uu]nrecognized arguments: (\S+)", message)
    if stray:
        name = stray.group(1).partition("=")[0]
        return f"There is no option {name}.{did_you_mean(name, flags)} See --help for all."
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return " ".join(lines)


def parser(command: str, description: str) -> Parser:
    """Make a parser for one command."""
    return Parser(prog=f"ganbaru {command}", description=description, exit_on_error=True)


def add_config_flags(to: Parser) -> None:
    """Add a flag for each field of Config, its type, default and sentence taken from there."""
    types = typing.get_type_hints(Config)
    for field in dataclasses.fields(Config):
        if field.name in _NO_FLAG:
            continue
        kind = types[field.name]
        how: dict[str, Any] = {"default": field.default, "help": field.metadata["help"]}
        if kind is bool:
            to.add_argument(flag(field.name), action="store_true", **how)
        elif isinstance(field.default, tuple):
            how["default"] = list(field.default)
            to.add_argument(flag(field.name), type=float, nargs=len(field.default), **how)
        else:
            to.add_argument(flag(field.name), type=kind, **how)


def given(names: Sequence[str], arguments: Sequence[str]) -> set[str]:
    """Return which fields have their flag among the arguments."""
    flags = {argument.partition("=")[0] for argument in arguments}
    return {name for name in names if flag(name) in flags}


TOTALS = ("steps", "images", "epochs", "minutes")


def config(command: str, description: str, arguments: Sequence[str]) -> Config:
    """Build the configuration of a command that takes a preset and the fields as flags.

    A preset's fields (or those of the run that goes on) come first, then the file of --config,
    then flags. A total given as a flag replaces all totals from before.
    """
    arguments = list(arguments)
    to = parser(command, f"{description} Presets: {', '.join(PRESETS)}.")
    to.add_argument("preset", type=str, nargs="?", default=None, help="where the fields start from")
    to.add_argument("--config", type=str, default=None, help="a YAML file of fields, as a run keeps")
    to.add_argument("--print_config", action="store_true", help="print the configuration and stop")
    add_config_flags(to)
    fields = [field.name for field in dataclasses.fields(Config)]
    to.set_defaults(_start(to, arguments, fields))
    parsed = to.parse_args(arguments)
    values = {name: getattr(parsed, name) for name in fields}
    values["betas"] = tuple(values["betas"])
    if totals := given(TOTALS, arguments):
        values |= dict.fromkeys(set(TOTALS) - totals)
    made = Config(**values)
    if parsed.print_config:
        print(to_yaml(made), end="")
        raise SystemExit(0)
    return made


def _start(to: Parser, arguments: Sequence[str], fields: Sequence[str]) -> dict[str, Any]:
    """Find what the fields are before any flag: the preset's, or the run's that goes on."""
    first = to.parse_args(arguments)
    if first.resume and first.run:
        start = load_yaml(existing(first.run).config)
        if first.preset not in (None, start.get("preset")):
            raise InputError(
                f"The run {first.run} started from the preset {start.get('preset')!r}, not "
                f"{first.preset!r}. Leave the preset out to go on, or choose another --run."
            )
    else:
        start = dataclasses.asdict(from_preset(first.preset or "digits"))
    if first.config:
        start |= load_yaml(Path(first.config))
    start["betas"] = list(start["betas"])
    for name in start:
        if name not in fields:
            raise unknown("field", name, fields)
    return {**start, "resume": False, "overwrite": False}
