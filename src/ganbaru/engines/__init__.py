"""Engines: the libraries that compute. Each file here supplies the vocabulary of `ganbaru.ops`."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from ganbaru import registry
from ganbaru.errors import InputError, unknown

# The library behind each engine and the extra that installs it; an engine not named here is the
# user's own (a dotted path) and answers for its imports itself.
LIBRARIES = {
    "numpy": ("numpy", ""),
    "torch": ("torch", "torch"),
    "tensorflow": ("tensorflow", "tensorflow"),
    "jax": ("jax", "jax"),
    "cupy": ("cupy", "cupy"),
}
PRECISIONS = ("float32", "float64")


@dataclass(frozen=True)
class Engine:
    """An engine on one of its devices, at one precision."""

    name: str
    module: ModuleType
    device: str
    precision: str

    def from_numpy(self, array: Any) -> Any:
        """Bring an array to the device, floating numbers in this engine's precision."""
        array = np.asarray(array)
        if array.dtype.kind == "f":
            array = array.astype(self.precision)
        return self.module.from_numpy(array, self.device)

    def to_numpy(self, x: Any) -> np.ndarray:
        """Fetch a tensor as a NumPy array."""
        return self.module.to_numpy(x)

    def compile(self, function: Callable, consumes: bool = False) -> Callable:
        """Return a faster form of a pure function of nested tensors, where the engine has one.

        Python numbers among its arguments are inputs too. `consumes`: its first argument is never
        used again. Each set of shapes it is called with may take seconds to compile.
        """
        return self.module.compile(function, consumes)

    def describe(self) -> str:
        """Say what computes where."""
        return f"{self.name} on {self.device} ({self.module.describe(self.device)})"


def available() -> list[str]:
    """List the engines whose library is installed, those that train (not the tracer)."""
    return [name for name, (library, _) in LIBRARIES.items() if importlib.util.find_spec(library)]


@functools.cache
def load(name: str, device: str = "auto", precision: str = "float32") -> Engine:
    """Make an engine ready; `device` "auto" takes the engine's best one.

    Raises InputError when the name, the device or the precision is unknown or not to be had.
    """
    if "." not in name and name not in LIBRARIES:
        raise unknown("engine", name, LIBRARIES)
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    library, extra = LIBRARIES.get(name, ("numpy", ""))
    if not importlib.util.find_spec(library):
        raise InputError(
            f"The {name} engine needs {library}, which is not installed. "
            f"Install it with: pip install 'ganbaru[{extra}]' (or take --engine numpy)."
        )
    module = registry.module("engines", name)
    device = module.default_device() if device == "auto" else device
    try:
        module.prepare(device)
    except ValueError as error:
        raise InputError(f"Cannot use device {device!r}: {error}.") from error
    return Engine(name, module, device, precision)
