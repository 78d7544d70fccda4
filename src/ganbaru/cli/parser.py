"""The argument parser of the commands: argparse with one-sentence errors and our help page."""

from __future__ import annotations

import argparse
import functools
from argparse import SUPPRESS
from collections.abc import Callable, Iterable
from typing import Any

from ganbaru import coerce
from ganbaru.cli import help_page
from ganbaru.errors import InputError, did_you_mean

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

    def parse_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> Any:
        """Return the parsed arguments; raises InputError."""
        try:
            found, rest = self.parse_known_args(args, namespace)
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
        name = action.option_strings[0]
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
