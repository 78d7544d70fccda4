"""Argument parsers of the commands: argparse, one-sentence errors, and flags made from Config."""

from __future__ import annotations

import argparse
import dataclasses
import functools
from argparse import SUPPRESS, BooleanOptionalAction
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

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

RUN_HELP = "a run's folder, its name below runs/, or a checkpoint"


class Parser(argparse.ArgumentParser):
    """An argument parser that raises InputError with one sentence and the near matches of a flag.

    `defaults` are shown on the help page in place of the arguments' own, `headings` before them.
    """

    def __init__(self, command: str, description: str) -> None:
        super().__init__(
            prog=f"ganbaru {command}",
            description=description,
            add_help=False,
            allow_abbrev=False,
            exit_on_error=False,
        )
        self.add_argument("-h", "--help", action="help", help="show this page and exit")
        self.headings: dict[str, str] = {}
        self.defaults: dict[str, Any] = {}
        self._required: dict[str, str] = {}

    def add_positional(self, name: str, sentence: str, *, required: bool = True) -> None:
        """Add a positional argument of one value; an optional one is absent if not given."""
        shown = name.upper() if required else f"[{name.upper()}]"
        self.add_argument(name, nargs="?", default=SUPPRESS, metavar=shown, help=sentence)
        if required:
            self._required[name] = sentence

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Return the parsed arguments; raises InputError."""
        try:
            found, rest = self.parse_known_args(list(arguments))
        except argparse.ArgumentError as error:
            raise self._wrong(self._sentence(error)) from error
        if rest:
            raise self._wrong(self._unexpected(rest[0]))
        for name, sentence in self._required.items():
            if not hasattr(found, name):
                raise self._wrong(f"{name.upper()} is missing: {sentence}.")
        return found

    def _wrong(self, sentence: str) -> InputError:
        return InputError(f"{sentence} See: {self.prog} --help.")

    def _sentence(self, error: argparse.ArgumentError) -> str:
        if isinstance(error.__context__, InputError):  # raised by the argument's type
            return str(error.__context__)
        names = {"/".join(action.option_strings): action for action in self._actions}
        action = names.get(error.argument_name or "")
        if action is None:
            return f"{error}."
        name = action.option_strings[-1]
        if action.nargs == 0:
            return f"{name} takes no value: {action.help}."
        values = f"{action.nargs} values" if action.nargs else "a value"
        return f"{name} needs {values}: {action.help}."

    def _unexpected(self, argument: str) -> str:
        if not argument.startswith("-"):
            return f"Unexpected argument {argument!r}."
        name = argument.partition("=")[0]
        flags = [option for action in self._actions for option in action.option_strings]
        near = did_you_mean(name, [option for option in flags if option.startswith("--")])
        return f"There is no option {name}.{near}"

    def format_help(self) -> str:
        """Return the help page, positional arguments first."""
        actions = sorted(self._actions, key=lambda action: bool(action.option_strings))
        own = {action.dest: action.default for action in actions}
        shown = {name: _shown(value) for name, value in {**own, **self.defaults}.items()}
        return help_page.page(self.prog, self.description or "", actions, self.headings, shown)


def _shown(default: Any) -> str:
    if default is None or default is False or default == SUPPRESS:
        return ""
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def whole(name: str) -> Callable[[str], int]:
    """Return the type of an option `name` whose value is a whole number."""
    return functools.partial(coerce.convert, int, name)


def number(name: str) -> Callable[[str], float]:
    """Return the type of an option `name` whose value is a number."""
    return functools.partial(coerce.convert, float, name)


def add_device(parser: Parser, engine: str) -> None:
    """Add --engine, which `engine` describes, and --device."""
    parser.add_argument("--engine", default="numpy", help=engine)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 or mps")


# --- configurations ---------------------------------------------------------------------------

DEFAULT_PRESET = "digits"

# Headings of the help page, by the option that follows.
HEADINGS = {
    "data": "training data",
    "network": "networks",
    "objective": "objective and optimiser",
    "engine": "engine and device",
    "steps": "length, in totals of the whole run (the first one reached ends it)",
    "run": "run folder, logging, checkpoints and evaluation",
}
_PRESET = "the preset to start from"
_FILES = "a state dict, .pth, .pt or .safetensors"
_PLACEHOLDERS = {int: "N", float: "X", tuple[float, float]: "X X"}


def config(
    command: str, description: str, arguments: Sequence[str], only: Collection[str] = ()
) -> Config:
    """Build the configuration of a command that takes a preset and fields as flags.

    A preset's fields (or those of the run to resume) come first, then the file of --config,
    then flags; `only` names the flags of a command that does not take them all.
    """
    parser = _parser(command, description)
    parser.add_positional("preset", _PRESET, required=False)
    return _configured(parser, arguments, only)[0]


def given(
    parser: Parser, arguments: Sequence[str], only: Collection[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parse arguments: the fields among `only` that were given, typed, and all other arguments."""
    for field in dataclasses.fields(Config):
        if field.name in only:
            _add(parser, field)
    found = vars(parser.parse(arguments))
    fields = {name: settings.typed(name, found.pop(name)) for name in only if name in found}
    return fields, found


def importing(description: str, arguments: Sequence[str]) -> tuple[Config, dict[str, str]]:
    """Build the configuration of `import`, whose positional arguments are weight files.

    Returns those files by player, too; the preset is the flag --preset.
    """
    only = [field.name for field in dataclasses.fields(Config) if field.name != "resume"]
    parser = _parser("import", description)
    parser.add_positional("generator", f"the generator's weights: {_FILES}")
    other = "the discriminator's; without them it is initialised"
    parser.add_positional("discriminator", other, required=False)
    parser.add_argument("--preset", metavar="PRESET", default=SUPPRESS, help=_PRESET)
    return _configured(parser, arguments, only, ("generator", "discriminator"))


def _configured(
    parser: Parser, arguments: Sequence[str], only: Collection[str], others: Collection[str] = ()
) -> tuple[Config, dict[str, str]]:
    """Parse a configuration, and those arguments `others` that are no part of it."""
    _add_fields(parser, only)
    presets = [word for word in arguments if word in PRESETS]
    parser.defaults = vars(settings.from_preset(presets[0] if presets else DEFAULT_PRESET))
    found = vars(parser.parse(arguments))
    apart = {name: found.pop(name) for name in others if name in found}
    file, printing = found.pop("config"), found.pop("print_config")
    from_file = settings.load_yaml(Path(file)) if file else {}
    start = _start(found, from_file)
    made = settings.from_fields(settings.merged(settings.merged(start, from_file), found))
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
    file = "a YAML file of fields that replace the preset's, such as a run's config.yaml"
    parser.add_argument("--config", metavar="FILE", help=file)
    printing = "print the configuration as YAML and exit"
    parser.add_argument("--print-config", "--print_config", action="store_true", help=printing)
    for field in dataclasses.fields(Config):
        if field.name != "preset" and (not only or field.name in only):
            _add(parser, field)


def _add(parser: Parser, field: dataclasses.Field[Any]) -> None:
    """Add a field's flag; its text becomes a value where the configuration is built."""
    of, _ = settings.kind(field.name)
    sentence = field.metadata["help"].replace("{known}", ", ".join(known(field.name)))
    how: dict[str, Any] = {"default": SUPPRESS, "help": sentence}
    if of is bool:  # a preset or a run may have set it, so --no-... unsets it
        parser.add_argument(flag(field.name), action=BooleanOptionalAction, **how)
        return
    how["metavar"] = _PLACEHOLDERS.get(of, field.name.rpartition("_")[2].upper())
    if of == tuple[float, float]:
        how["nargs"] = 2
    parser.add_argument(flag(field.name), **how)


_KNOWN: dict[str, Callable[[], Collection[str]]] = {
    "data": lambda: registry.names("data"),
    "network": lambda: registry.names("networks"),
    "objective": lambda: OBJECTIVES,
    "penalty": lambda: PENALTIES,
    "schedule": lambda: SCHEDULES,
    "optimiser": lambda: OPTIMIZERS,
    "engine": lambda: LIBRARIES,
}


def known(name: str) -> list[str]:
    """List the names that a field may have; empty if there is no such list."""
    return list(_KNOWN.get(name, list)())


def _start(given: dict[str, Any], from_file: dict[str, Any]) -> dict[str, Any]:
    """Return the fields below file and flags: the preset's, or those of the run to resume."""
    preset = given.get("preset", from_file.get("preset"))
    if not (given.get("resume") and given.get("run")):
        return settings.preset_fields(preset or DEFAULT_PRESET)
    run = existing(given["run"])
    fields = settings.load_yaml(run.config)
    if preset not in (None, fields.get("preset")):
        raise InputError(
            f"The run {run.path} started from the preset {fields.get('preset')!r}, not {preset!r}. "
            f"Leave the preset out to resume it, or choose another --run."
        )
    return {**fields, "overwrite": False}
