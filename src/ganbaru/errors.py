"""Exceptions for invalid input and failed runs, and suggestions of near matches."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


class InputError(ValueError):
    """Invalid input. The message gives the value, the allowed values and a fix; exit code 2."""


class RunError(RuntimeError):
    """A failed run: it diverged, or a download broke off; saved files remain. Exit code 1."""


class DivergedError(RunError):
    """A training whose numbers became NaN or infinite: with the same options it always will."""


def shortened(text: str) -> str:
    """Return at most 80 characters of a text for a message."""
    return text if len(text) <= 80 else f"{text[:77]}..."


def did_you_mean(value: str, choices: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for near matches of `value`, or an empty string."""
    # A request's name of 1 MB would take 0.1 s.
    near = difflib.get_close_matches(value[:100], list(choices), n=2, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


def unknown(kind: str, value: str, choices: Iterable[str], fix: str = "") -> InputError:
    """Build the error for a name that is not among `choices`; `fix` is a closing sentence."""
    choices = sorted(choices)
    message = f"Unknown {kind} {shortened(value)!r}.{did_you_mean(value, choices)}"
    message += f" Known: {', '.join(choices)}."
    return InputError(f"{message} {fix}".rstrip())


def pick(kind: str, name: str, choices: Mapping[str, T], *also: str) -> T:
    """Return `choices[name]`, or raise the error for an unknown `kind`.

    `also` are names that are allowed too and that the caller handles.
    """
    if name not in choices:
        raise unknown(kind, name, [*choices, *also])
    return choices[name]
