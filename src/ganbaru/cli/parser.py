"""The argument parser of the commands: argparse with one-sentence errors and our help page."""

from __future__ import annotations

import argparse
import functools
import math
from argparse import SUPPRESS
from collections.abc import Callable, Iterable
from typing import Any

from ganbaru import coerce
from ganbaru.cli import help_page, logs, translation
from ganbaru.errors import InputError, command_line, did_you_mean

PLACEHOLDERS: dict[Any, str] = {int: "N", float: "X", tuple[float, float]: "X X"}
RUN_HELP = "a run's folder, its name below runs/, a checkpoint, or zoo:digits or zoo:mnist"


class Parser(argparse.ArgumentParser):
    """An argument parser that raises InputError with one sentence and the near matches of a flag.

    `defaults` are shown on the help page in place of the arguments' own, `headings` before them.
    """

    def __init__(self, command: str, *paragraphs: str) -> None:
        super().__init__(
            prog=f"ganbaru {command}",
            description="\n".join(paragraphs),
            add_help=False,
            allow_abbrev=False,
            exit_on_error=False,
        )
        self.command, self.paragraphs = command, paragraphs
        self.add_argument("-h", "--help", action="help", help="show this page and exit")
        for flags, takes_value, sentence in logs.OPTIONS:
            how: dict[str, Any] = {"metavar": "FORMAT"} if takes_value else {"nargs": 0}
            self.add_argument(*flags.split(), action=_AtOnce, help=sentence, **how)
        self.headings: dict[str, str] = {}
        self.defaults: dict[str, Any] = {}
        self._required: dict[str, str] = {}

    def add_positional(self, name: str, sentence: str, *, required: bool = True) -> None:
        """Add a positional argument of one value; an optional one is absent if not given."""
        shown = name.upper() if required else f"[{name.upper()}]"
        self.add_argument(name, nargs="?", default=SUPPRESS, metavar=shown, help=sentence)
        if required:
            self._required[name] = sentence

    def option(
        self,
        flags: str,
        sentence: str,
        default: Any = None,
        of: Callable[[str], Any] = str,
        metavar: str | None = None,
        within: tuple[float, float] = (-math.inf, math.inf),
    ) -> None:
        """Add an option under `flags` such as "-n --number"; an `of` bool is a switch.

        `of` converts its text; whole and other numbers are in the closed interval `within`.
        """
        names = flags.split()
        if of is bool:
            self.add_argument(*names, action="store_true", help=sentence)
            return
        number = functools.partial(_number, of, names[0], within)
        kind = number if of in (int, float) else of
        shown = metavar or PLACEHOLDERS.get(of)
        self.add_argument(*names, type=kind, default=default, metavar=shown, help=sentence)

    def parse_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> Any:
        """Return the parsed arguments; raises InputError."""
        if _CapturedParser.wanted:
            raise _CapturedParser(self)
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
        return InputError(f"{sentence} See: {command_line(self.command, '--help')}")

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
        """Return the help page in the reader's language."""
        into = translation.translator(translation.language())
        headings = {name: into(text) for name, text in self.headings.items()}
        paragraphs = [into(text) for text in self.paragraphs]
        return help_page.page(self.prog, paragraphs, self.rows(into), headings, into("usage: {}"))

    def rows(self, into: Callable[[str], str]) -> list[help_page.Row]:
        """Return name, form and translated sentence of each argument, positional ones first."""
        found = []
        for action in sorted(self._actions, key=lambda action: bool(action.option_strings)):
            default = _shown(self.defaults.get(action.dest, action.default))
            sentence = into(action.help or "") + (f" [{default}]" if default else "")
            found.append((action.dest, help_page.head(action), sentence))
        return found


class _CapturedParser(BaseException):  # noqa: N818
    """The parser of a command, raised where it would parse."""

    wanted = False


def captured(command: Callable[[list[str]], Any]) -> Parser:
    """Return the parser that a command makes; the command goes no further."""
    _CapturedParser.wanted = True
    try:
        command([])
    except _CapturedParser as found:
        parser: Parser = found.args[0]
        return parser
    finally:
        _CapturedParser.wanted = False
    raise AssertionError(command)


class _AtOnce(argparse.Action):
    """An option of messages, which takes effect at once and is no part of the parsed arguments."""

    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, **{**how, "default": SUPPRESS})

    def __call__(self, parser: Any, space: Any, value: Any, name: str | None = None) -> None:
        logs.choose(self.dest, value)


def _shown(default: Any) -> str:
    if default is None or default is False or default in (SUPPRESS, []):
        return ""
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _number(of: Any, flag: str, within: tuple[float, float], text: str) -> float:
    found: float = coerce.convert(of, flag, text)
    low, high = within
    if not low <= found <= high:
        allowed = f"{low} or more" if high == math.inf else f"{low:,} to {high:,}"
        raise InputError(f"{flag} {text} is out of range: give {allowed}.")
    return found


def add_trust(parser: Parser) -> None:
    """Add --trust, a list of modules."""
    sentence = (
        "a module of your own that names in the files of a run may import, with its submodules; "
        "may be repeated"
    )
    parser.add_argument("--trust", action="append", default=[], metavar="MODULE", help=sentence)


def add_output(parser: Parser, sentence: str, default: str | None, metavar: str = "PATH") -> None:
    """Add --output, which `sentence` describes, and --overwrite."""
    parser.option("-o --output", sentence, default, metavar=metavar)
    parser.option("--overwrite", "replace also files that ganbaru did not write", of=bool)


def add_credits(parser: Parser) -> None:
    """Add --title, --author and --licence of what is shared; the run keeps them."""
    parser.option("--title", "title of pages and cards; else the run's name", metavar="TEXT")
    parser.option("--author", "whose work they show; the run keeps all three", metavar="TEXT")
    parser.option("--licence", "of weights and images, such as 'CC BY 4.0'", metavar="TEXT")


def add_device(parser: Parser, engine: str) -> None:
    """Add --engine, which `engine` describes, and --device."""
    parser.option("--engine", engine, "numpy")
    parser.option("--device", "cpu, cuda, cuda:1 or mps", "auto")
