"""Command-line parsers on jsonargparse, with a help page to read and errors of one sentence."""

from __future__ import annotations

import dataclasses
import functools
import re
from argparse import BooleanOptionalAction
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import SUPPRESS, ArgumentParser

from ganbaru import coerce, registry
from ganbaru import config as settings
from ganbaru.cli import help_page
from ganbaru.config import Config, flag
from ganbaru.engines.requirements import LIBRARIES
from ganbaru.errors import InputError, did_you_mean
from ganbaru.gan.objectives import OBJECTIVES
from ganbaru.gan.optimizers import OPTIMIZERS
from ganbaru.gan.penalties import PENALTIES
from ganbaru.gan.schedules import SCHEDULES
from ganbaru.presets import PRESETS
from ganbaru.training.run_folder import existing


class Parser(ArgumentParser):
    """A parser whose errors are InputErrors: one readable message, the near matches of a flag."""

    def __init__(self, command: str, description: str) -> None:
        super().__init__(
            prog=f"ganbaru {command}", description=description, add_help=False,
            allow_abbrev=False, print_config=None,
        )  # fmt: skip
        self.add_argument("-h", "--help", action="help", help="show this page and stop")
        self.headings: dict[str, str] = {}
        self.defaults: dict[str, Any] = {}  # what the help page shows instead of the arguments' own

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the message as an InputError."""
        raise InputError(f"{self._readable(message, ex)} See: {self.prog} --help.") from ex

    def _readable(self, message: str, ex: Exception | None) -> str:
        if ex and isinstance(ex.__context__, InputError):  # of a type
            return str(ex.__context__)
        about = {name: str(action.help) for action in self._actions
                 for name in (action.dest, *action.option_strings)}  # fmt: skip
        if found := re.search(r"nrecognized arguments: (\S+)", message):
            name = found.group(1).partition("=")[0]
            if name.startswith("-"):
                flags = [known for known in about if known.startswith("--")]
                return f"There is no option {name}.{did_you_mean(name, flags)}"
            return f"There is one word too many: {name!r}."
        if found := re.search(r"arguments are required: (\w+)", message):
            return f"Say {found.group(1).upper()}: {about[found.group(1)]}."
        if found := re.search(r"argument (?:-\w/)?(\S+): expected (\w+) argument", message):
            name, count = found.groups()
            return (
                f"{name} needs {'a value' if count == 'one' else f'{count} values'}: {about[name]}."
            )
        return " ".join(message.split())

    def format_help(self, formatter: Any = None) -> str:
        """Return the help page, positional arguments first."""
        listed = [action for action in self._actions if action.help != SUPPRESS]
        actions = sorted(listed, key=lambda action: bool(action.option_strings))
        own = {action.dest: action.default for action in actions}
        shown = {name: _shown(value) for name, value in {**own, **self.defaults}.items()}
        return help_page.page(self.prog, self.description or "", actions, self.headings, shown)


def _shown(default: Any) -> str:
    if default is None or default is False or default == SUPPRESS:
        return ""
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def whole(name: str) -> Callable[[str], int]:
    """Return the type of an option `name` that takes a whole number."""
    return functools.partial(coerce.convert, int, name)


# --- configurations ---------------------------------------------------------------------------

DEFAULT_PRESET = "digits"

# What the help page says before which option.
HEADINGS = {
    "data": "what it learns from",
    "network": "the networks",
    "objective": "how they play and learn",
    "engine": "what computes",
    "steps": "how long, in totals of the whole run (the first one reached ends it)",
    "run": "where it goes, and how often",
}
_PRESET = "where to start from"
_FILES = "a state dict, .pth, .pt or .safetensors"
_PLACEHOLDERS = {int: "N", float: "X", tuple[float, float]: "X X"}


def config(
    command: str, description: str, arguments: Sequence[str], only: Collection[str] = ()
) -> Config:
    """Build the configuration of a command that takes a preset and fields as flags.

    A preset's fields (or those of the run that goes on) come first, then the file of --config,
    then flags; `only` names the flags of a command that does not take them all.
    """
    parser = _parser(command, description)
    parser.add_argument("preset", type=str, nargs="?", default=SUPPRESS, help=_PRESET)
    return _configured(parser, arguments, only)[0]


def given(
    parser: Parser, arguments: Sequence[str], only: Collection[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parse arguments: the fields named `only` that were given, and what else the parser knows."""
    for field in dataclasses.fields(Config):
        if field.name in only:
            _add(parser, field)
    found = dict(vars(parser.parse_args(list(arguments))))
    fields = {name: found.pop(name) for name in only if name in found}
    return fields, found


def importing(description: str, arguments: Sequence[str]) -> tuple[Config, dict[str, str]]:
    """Build the configuration of `import`, whose words are files: the preset is a flag there.

    Returns the files by player, too.
    """
    only = [field.name for field in dataclasses.fields(Config) if field.name != "resume"]
    parser = _parser("import", description)
    parser.add_argument("generator", type=str, help=f"the generator's weights: {_FILES}")
    parser.add_argument("discriminator", type=str, nargs="?", default=SUPPRESS,
                        help="the discriminator's, which starts anew if not given")  # fmt: skip
    parser.add_argument("--preset", type=str, metavar="PRESET", default=SUPPRESS, help=_PRESET)
    return _configured(parser, arguments, only, ("generator", "discriminator"))


def _configured(
    parser: Parser, arguments: Sequence[str], only: Collection[str], words: Collection[str] = ()
) -> tuple[Config, dict[str, str]]:
    """Parse a configuration, and those `words` of the command that are not part of it."""
    _add_fields(parser, only)
    named = [word for word in arguments if word in PRESETS]
    parser.defaults = vars(settings.from_preset(named[0] if named else DEFAULT_PRESET))
    given = dict(vars(parser.parse_args(list(arguments))))
    apart = {name: given.pop(name) for name in words if name in given}
    file, printing = given.pop("config", None), given.pop("print_config", False)
    above = settings.load_yaml(Path(file)) if file else {}
    made = settings.from_fields(
        settings.merged(settings.merged(_start(given, above), above), given)
    )
    if printing:
        print(settings.to_yaml(made), end="")
        raise SystemExit(0)
    return made, apart


def _parser(command: str, description: str) -> Parser:
    about = f"{description}\nPresets: {', '.join(PRESETS)}. Without one: {DEFAULT_PRESET}."
    parser = Parser(command, f"{about} In brackets: the values of the preset named before --help.")
    parser.headings = HEADINGS
    return parser


def _add_fields(parser: Parser, only: Collection[str]) -> None:
    parser.add_argument(
        "--config",
        type=str,
        metavar="FILE",
        default=SUPPRESS,
        help="a YAML file of fields to lay over the preset's, such as a run keeps",
    )
    parser.add_argument(
        "--print_config",
        action="store_true",
        default=SUPPRESS,
        help="print the configuration as YAML and stop",
    )
    for field in dataclasses.fields(Config):
        if field.name != "preset" and (not only or field.name in only):
            _add(parser, field)


def _add(parser: Parser, field: dataclasses.Field) -> None:
    """Add a field's flag: type and sentence are the field's own."""
    of, _ = settings.kind(field.name)
    sentence = field.metadata["help"].replace("{known}", ", ".join(known(field.name)))
    how: dict[str, Any] = {"default": SUPPRESS, "help": sentence}
    if of is bool:
        # A preset or a run may have set it, so there is a way to unset it too.
        parser.add_argument(flag(field.name), action=BooleanOptionalAction, **how)
        return
    how["metavar"] = _PLACEHOLDERS.get(of, field.name.rpartition("_")[2].upper())
    if of == tuple[float, float]:
        how["nargs"] = 2
    else:
        how["type"] = functools.partial(settings.typed, field.name)
    parser.add_argument(flag(field.name), **how)


def known(name: str) -> list[str]:
    """List the names that a field may have, where there is a list of them."""
    lists: dict[str, Callable[[], Collection[str]]] = {
        "data": lambda: registry.names("data"),
        "network": lambda: registry.names("networks"),
        "objective": lambda: OBJECTIVES,
        "penalty": lambda: PENALTIES,
        "schedule": lambda: SCHEDULES,
        "optimiser": lambda: OPTIMIZERS,
        "engine": lambda: LIBRARIES,
    }
    return list(lists.get(name, list)())


def _start(given: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Find what the fields are before file and flags: the preset's, or the run's that goes on."""
    preset = given.get("preset", above.get("preset"))
    if not (given.get("resume") and given.get("run")):
        return settings.preset_fields(preset or DEFAULT_PRESET)
    run = existing(given["run"])
    fields = settings.load_yaml(run.config)
    if preset not in (None, fields.get("preset")):
        raise InputError(
            f"The run {run.path} started from the preset {fields.get('preset')!r}, not {preset!r}. "
            f"Leave the preset out to go on, or choose another --run."
        )
    return {**fields, "overwrite": False}
