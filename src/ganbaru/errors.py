"""The two ways a run can end badly, and the wording that helps the user on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


class InputError(ValueError):
    """The user's input was wrong. The message says what, what is allowed and how to mend it."""


class RunError(RuntimeError):
    """The run itself failed: it diverged, or a download broke off. What was saved is kept."""


def did_you_mean(value: str, choices: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for near matches of `value`, or an empty string."""
    near = difflib.get_close_matches(value, list(choices), n=2, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


def unknown(kind: str, value: str, choices: Iterable[str], fix: str = "") -> InputError:
    """Build the error for a name that is not among `choices`; `fix` is a closing sentence."""
    choices = sorted(choices)
    message = f"Unknown {kind} {value!r}.{did_you_mean(value, choices)}"
    message += f" Known: {', '.join(choices)}."
    return InputError(f"{message} {fix}".rstrip())


def pick(kind: str, name: str, choices: Mapping[str, T], *also: str) -> T:
    """Return what a table holds under `name`, or raise the error for an unknown `kind`.

    `also` are names that the user may give too, and the caller has dealt with.
    """
    if name not in choices:
        raise unknown(kind, name, [*choices, *also])
    return choices[name]
