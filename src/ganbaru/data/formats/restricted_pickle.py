"""Unpickling of numbers, texts and containers, without running any code of the file."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import IO

Allowed = Mapping[tuple[str, str], object]  # stand-ins by (module, name)


class RefusedError(Exception):
    """A pickle names a class or function that has no stand-in; the message is its name."""


class RestrictedUnpickler(pickle._Unpickler):
    """Unpickles plain values, and our stand-ins for what `allowed` names.

    `find_class` is the only way for a pickle to reach a function, so nothing else can be called.
    Raises RefusedError for any other name. A damaged pickle is a damaged program for a small
    machine, and `load` may raise any exception. It is Python's own implementation in Python, since
    one byte of a file makes that in C fill 32 GB (a memo's index of 32 bits).
    """

    def __init__(
        self,
        file: IO[bytes],
        allowed: Allowed,
        encoding: str = "ASCII",
        persistent: Callable[[object], object] | None = None,
    ) -> None:
        super().__init__(file, encoding=encoding)
        self.allowed, self.persistent = allowed, persistent

    def find_class(self, module: str, name: str) -> object:
        """Return the stand-in of a class or function."""
        if (module, name) not in self.allowed:
            raise RefusedError(f"{module}.{name}")
        return self.allowed[module, name]

    def persistent_load(self, identity: object) -> object:
        """Return the object that a pickle refers to by an identity of its own."""
        if self.persistent is None:
            raise pickle.UnpicklingError("it refers to objects outside of it")
        return self.persistent(identity)
