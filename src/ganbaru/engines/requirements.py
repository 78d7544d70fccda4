"""The libraries of the engines: what is installed, which versions, and how to install them."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import re
import sys
from typing import NamedTuple

from ganbaru.errors import InputError, pip_install


class Library(NamedTuple):
    """The library of an engine; `least` is the oldest version with all that the engine uses."""

    module: str
    extra: str  # of this package, which installs it
    least: str
    distributions: tuple[str, ...]  # its names in package indexes

    @property
    def pip(self) -> str:
        """The command that installs or updates it."""
        return pip_install(f"ganbaru[{self.extra}]")


_TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-macos", "tf-nightly")
_CUPYS = ("cupy", "cupy-cuda12x", "cupy-cuda13x", "cupy-rocm-7-0")
# TensorFlow before 2.18 needs NumPy 1, which is not supported.
LIBRARIES = {
    "numpy": Library("numpy", "", "2.0", ("numpy",)),
    "torch": Library("torch", "torch", "2.4", ("torch",)),
    "tensorflow": Library("tensorflow", "tensorflow", "2.18", _TENSORFLOWS),
    "jax": Library("jax", "jax", "0.4.34", ("jax",)),
    "cupy": Library("cupy", "cupy", "13.0", _CUPYS),
}
_OR = "(or use --engine numpy) with"


def installed(library: Library) -> bool:
    """Return whether a library can be imported; a bare folder of its name does not count."""
    found = importlib.util.find_spec(library.module)
    return found is not None and found.origin is not None


def version(library: Library) -> str | None:
    """Return a library's version, from its metadata or, once it is imported, from its module.

    A library that pip did not install may have no metadata.
    """
    for name in library.distributions:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    imported = vars(sys.modules[library.module]) if library.module in sys.modules else {}
    return imported.get("__version__")


def check(engine: str) -> None:
    """Raise InputError if an engine's library is missing or known to be too old."""
    library = LIBRARIES[engine]
    if not installed(library):
        raise InputError(
            f"The {engine} engine needs {library.module}, which is not installed. Install it "
            f"{_OR}: {library.pip}"
        )
    found = version(library)
    if found and _numbers(found) < _numbers(library.least):
        raise InputError(
            f"The {engine} engine needs {library.module} {library.least} or newer, and {found} is "
            f"installed. Update it {_OR}: {library.pip}"
        )


def broken(engine: str, error: Exception) -> InputError:
    """Return the error for a library whose import fails, with the first line of its message."""
    library = LIBRARIES[engine]
    words = (str(error).strip().splitlines() or [""])[0][:200]
    return InputError(
        f"The {engine} engine cannot be used: importing {library.module} failed with "
        f"{type(error).__name__}: {words.rstrip('.')}. Uninstall it and reinstall it {_OR}: "
        f"{library.pip}"
    )


def _numbers(text: str) -> tuple[int, ...]:
    """Return a version's first numbers: (2, 13, 0) of "2.13.0+cpu"."""
    return tuple(int(digits) for digits in re.findall(r"\d+", text)[:3])
