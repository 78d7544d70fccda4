"""Exceptions for invalid input and failed runs, and suggestions of near matches."""

from __future__ import annotations

import contextlib
import difflib
import functools
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

# --- messages in the terms of the command line, or of Python --------------------------------------

# Flags that take no value: `--resume` is resume=True, and `--no-fast` is fast=False.
SWITCHES = {
    *("resume", "overwrite", "replacement", "short_batch", "minibatch_deviation", "fast"),
    "balance",
    *("tensorboard", "close", "bounce", "every_label", "verify", "json"),
}
_LETTERS = {"n": "number", "o": "output"}
# What follows a flag and is its value: a number, a placeholder such as LOW:HIGH, a name with a
# digit or a sign in it, or one of these names. Other words are those of the sentence.
_NAMES = "auto|none|nothing|layer|cpu|numpy|random|line|planes|projection|pad|stretch|best|both"
_VALUE = rf"[\w.+-]*[\d:=/][^\s,;)]*(?<!\.)|[A-Z]+\b|(?:{_NAMES})\b"
_COMMAND = r"\b(?:ganbaru [a-z]+|pip [a-z]+|python -)(?:(?! \()[^.,:;)\n]|[.,:;)](?=\S))*"
_FLAG = re.compile(
    rf"(?P<command>{_COMMAND})|--trust (?P<module>[\w.]*\w)"
    r"|(?<![\w./=-])(?:--(?P<no>no-)?(?P<flag>[a-z][a-z0-9-]*[a-z0-9])"
    rf"|-(?P<letter>[no])\b(?!-))(?:[ =](?P<value>{_VALUE}))?"
)


class _Terms:
    flags = False


@contextlib.contextmanager
def as_flags() -> Iterator[None]:
    """Write options in messages as flags, as commands do; elsewhere they are keyword arguments."""
    before, _Terms.flags = _Terms.flags, True
    try:
        yield
    finally:
        _Terms.flags = before


def in_terms(message: str, names: Mapping[str, str] | None = None) -> str:
    """Return a message that names options by flags, in Python's terms unless `as_flags`.

    ``--batch 1`` becomes ``batch=1``, ``--resume`` ``resume=True``, and ``--batch`` alone
    ``batch``. Commands to type stay. `names` are arguments that differ from their flags.
    """
    if _Terms.flags:
        return message
    return _FLAG.sub(functools.partial(_keyword, names or {}), message)


def _keyword(names: Mapping[str, str], found: re.Match[str]) -> str:
    if found["command"]:
        return found[0]
    if found["module"]:
        return f"trust=[{found['module']!r}]"
    name = (found["flag"] or _LETTERS[found["letter"]]).replace("-", "_")
    value = found["value"]
    keyword = names.get(name, name)
    if name in SWITCHES:
        return f"{keyword}={not found['no']}" + (f" {value}" if value else "")
    if found["no"]:
        keyword = f"no_{keyword}"
    if value is None:
        return keyword
    plain = re.fullmatch(r"[A-Z]+|-?[\d.]+(e-?\d+)?", value)
    return f"{keyword}={value if plain else repr(value)}"


class _OptionError(Exception):
    """An error whose text names options as the reader gives them."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.names: dict[str, str] = {}

    def __str__(self) -> str:
        return in_terms(super().__str__(), self.names)


def keywords(**names: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator for a function whose arguments have other names than the flags."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return function(*args, **kwargs)
            except _OptionError as error:
                error.names = {**error.names, **names}
                raise

        return call

    return decorate


# --- the errors -----------------------------------------------------------------------------------


class InputError(_OptionError, ValueError):
    """Invalid input. The message gives the value, the allowed values and a fix; exit code 2."""


class RunError(_OptionError, RuntimeError):
    """A failed run: it diverged, or a download broke off; saved files remain. Exit code 1."""


class DivergedError(RunError):
    """A training whose numbers became NaN or infinite: with the same options it always will."""


def shortened(text: str) -> str:
    """Return at most 80 characters of a text for a message."""
    return text if len(text) <= 80 else f"{text[:77]}..."


def did_you_mean(value: str, choices: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for near matches of `value`, or an empty string."""
    # A request's name of 1 MB would take 0.1 s.
    safe = [choice for choice in choices if choice.removeprefix("--") != "overwrite"]  # deletes
    near = difflib.get_close_matches(value[:100], safe, n=2, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


LISTED = 40  # names in a message; 60 fields of a configuration would take 800 characters


def unknown(kind: str, value: str, choices: Iterable[str], fix: str = "") -> InputError:
    """Build the error for a name that is not among `choices`; `fix` is a closing sentence."""
    choices = sorted(choices)
    near = did_you_mean(value, choices)
    more = len(choices) - LISTED
    some = f"{', '.join(choices[:LISTED])}{f' and {more} more' if more > 0 else ''}"
    message = f"Unknown {kind} {shortened(value)!r}.{near}"
    message += "" if near and more > 0 else f" Known: {some}."
    return InputError(f"{message} {fix}".rstrip())


def pick(kind: str, name: str, choices: Mapping[str, T], *also: str) -> T:
    """Return `choices[name]`, or raise the error for an unknown `kind`.

    `also` are names that are allowed too and that the caller handles.
    """
    if name not in choices:
        raise unknown(kind, name, [*choices, *also])
    return choices[name]


# --- commands to paste ----------------------------------------------------------------------------


class _Program:
    words: tuple[str, ...] = ("ganbaru",)


def started_as(script: str) -> None:
    """Let `command_line` begin as this process was started, unless a shell finds `ganbaru`."""
    found = shutil.which("ganbaru")
    if os.path.basename(script) == "__main__.py":
        _Program.words = (_python(), "-m", "ganbaru")
    elif found is None or os.path.realpath(found) != os.path.realpath(script):
        _Program.words = (script,)  # such as .venv/bin/ganbaru, which is not on the path


def command_line(*words: object) -> str:
    """Return a command of ganbaru that can be pasted into a shell; end a message with it."""
    return quoted(*_Program.words, *words)


def pip_install(*words: str) -> str:
    """Return the command that installs for this Python; end a message with it."""
    found = shutil.which("pip")
    beside = found and os.path.dirname(found) == os.path.dirname(sys.executable)
    return quoted(*(("pip",) if beside else (_python(), "-m", "pip")), "install", *words)


def missing_extra(what: str, extra: str, otherwise: str = "") -> InputError:
    """Build the error for a package that is not installed; `what` tells which, and for what.

    `otherwise` is a sentence on what else can be done.
    """
    command = pip_install(f"ganbaru[{extra}]")
    return InputError(
        f"{what}, which is not installed. {f'{otherwise} ' * bool(otherwise)}"
        f"Install it with: {command}"
    )


def quoted(*words: object) -> str:
    """Return words as a shell reads them; control characters as bash and zsh write them."""
    return " ".join(_word(str(word)) for word in words)


def _word(text: str) -> str:
    if os.name == "nt":
        return text if re.fullmatch(r"[\w.:\\/=+-]+", text) else f'"{text}"'  # no path has quotes
    if text.isprintable():
        return shlex.quote(text)
    code = (x if x.isprintable() and x not in "'\\" else f"\\U{ord(x):08x}" for x in text)
    return f"$'{''.join(code)}'"


def _python() -> str:
    """Return the name of this Python in a shell, else its path."""
    names = (name for name in ("python", "python3") if shutil.which(name) == sys.executable)
    return next(names, sys.executable)
