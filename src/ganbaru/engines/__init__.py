"""Engines: the libraries that compute. Each file here supplies the vocabulary of `ganbaru.ops`."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from ganbaru import files, registry
from ganbaru.engines import gpu_driver, malloc, requirements
from ganbaru.engines.requirements import LIBRARIES as LIBRARIES
from ganbaru.errors import InputError, unknown

PRECISIONS = ("float32", "float64")  # of every engine; some have more
BF16 = "bf16"
AUTO = "auto"


def kept(precision: str) -> str:
    """Return the type in which a precision keeps numbers: bf16 is one of products alone."""
    return precision if precision in PRECISIONS else PRECISIONS[0]


@dataclass(frozen=True)
class Engine:
    """An engine on one of its devices, at one precision; `fast` lets it train in its own ways."""

    name: str
    module: ModuleType
    device: str
    precision: str
    fast: bool = False

    def from_numpy(self, array: Any) -> Any:
        """Bring an array to the device, floating numbers in this engine's precision."""
        array = np.asarray(array)
        if array.dtype.kind == "f":
            array = array.astype(kept(self.precision))
        return self.module.from_numpy(array, self.device)

    def to_numpy(self, x: Any) -> np.ndarray:
        """Fetch a tensor as a NumPy array."""
        return self.module.to_numpy(x)

    def compile(self, function: Callable, consumes: bool = False) -> Callable:
        """Return a faster form of a pure function of nested tensors, where the engine has one.

        Python numbers among its arguments are inputs too. Each set of shapes it is called with may
        take seconds to compile. `consumes`: its first argument is never used again, as a training
        step's state. Only such a step is computed in bf16 and in an engine's fast ways; what is
        looked at or scored is computed in float32.
        """
        step = vars(self.module).get("compile_step")
        if consumes and step:
            compiled: Callable = step(function, self.device, self.precision, self.fast)
            return compiled
        return self.module.compile(function, consumes)

    @property
    def apart(self) -> bool:
        """Whether it trains fast and apart from this processor, which meanwhile can draw ahead."""
        return self.fast and self.device != "cpu"

    def hold(self, images: np.ndarray) -> Callable[[Any], Any] | None:
        """Put images (N, H, W, C) beside where it computes, if it trains apart and they fit.

        Returns what picks some of them by their numbers (N,), as a float32 tensor of whole numbers
        from 0 to 255.
        """
        hold = vars(self.module).get("hold")
        return hold(images, self.device) if hold and self.apart else None

    def notes(self) -> tuple[str, ...]:
        """Say what should be known before training in this precision here."""
        if self.precision in PRECISIONS:
            return ()
        found: tuple[str, ...] = self.module.PRECISIONS[self.precision][1](self.device)
        return found

    def describe(self) -> str:
        """Say what computes where."""
        return f"{self.name} on {self.device} ({self.module.describe(self.device)})"


def available() -> list[str]:
    """List the engines whose library is installed, those that train (not the tracer)."""
    return [name for name, library in LIBRARIES.items() if requirements.installed(library)]


@functools.cache
def load(name: str, device: str = "auto", precision: str = "float32", fast: bool = False) -> Engine:
    """Make an engine ready; the name "auto" takes the one that `choose` does.

    `device` "auto" takes the engine's best one, `precision` "auto" bf16 on a GPU that has it if it
    may be `fast`, else float32. Raises InputError when the name, the device or the precision is
    unknown or not to be had.
    """
    name = choose(device).engine if name == AUTO else name
    if "." not in name and name not in LIBRARIES:
        raise unknown("engine", name, [*LIBRARIES, AUTO])
    if precision not in (*PRECISIONS, BF16, AUTO):
        raise unknown("precision", precision, [*PRECISIONS, BF16, AUTO])
    module = imported(name)
    device = module.default_device() if device == "auto" else device
    try:
        module.prepare(device)
    except ValueError as error:
        raise InputError(f"Cannot use device {device!r}: {error}.") from error
    precision = _settled(precision, name, device, fast)
    if device == "cpu":
        malloc.keep_freed()
    if keep_programs := vars(module).get("keep_programs"):  # what it compiles, for the next time
        keep_programs(files.cache() / "programs" / name)
    return Engine(name, module, device, precision, fast)


def _settled(precision: str, name: str, device: str, fast: bool) -> str:
    """Return the precision meant; raises InputError for one that is not to be had there."""
    own = vars(imported(name)).get("PRECISIONS", {})
    if precision == AUTO:
        better = (each for each, (lacks, _) in own.items() if not lacks(device))
        return next(better, PRECISIONS[0]) if fast and device != "cpu" else PRECISIONS[0]
    if precision in PRECISIONS:
        return precision
    lacking = own[precision][0](device) if precision in own else "it is the torch engine's"
    if lacking:
        raise InputError(
            f"The {name} engine has no --precision {precision} on device {device!r}: {lacking}. "
            f"Take --precision {' or '.join(PRECISIONS)}, or --engine torch on a CPU or newer GPU."
        )
    return precision


def imported(name: str) -> ModuleType:
    """Import an engine; raises InputError if its library is missing, too old or broken."""
    if name not in LIBRARIES:  # the user's own, which answers for its imports itself
        return registry.module("engines", name)
    requirements.check(name)
    try:
        module = importlib.import_module(f"ganbaru.engines.{name}")
    except Exception as error:  # a broken installation may raise anything
        raise requirements.broken(name, error) from error
    requirements.check(name)  # some libraries tell their version only now
    return module


# --- the fastest one --------------------------------------------------------------------------


class Rule(NamedTuple):
    """One line of what "auto" goes by: an engine, and why it stands in this place."""

    engine: str
    reason: str


# For each kind of device the engines in the order in which "auto" takes them: the first one that is
# installed and computes there. Figures are those of docs/results.md.
RULES: dict[str, tuple[Rule, ...]] = {
    "cuda": (
        Rule("torch", "convolutions by cuDNN, and Adam and batch norm in one kernel each"),
        Rule("jax", "convolutions by cuDNN, a whole step compiled into one program"),
        Rule("tensorflow", "convolutions by cuDNN, a whole step in one graph"),
        Rule("cupy", "its convolutions copy patches and multiply, without cuDNN"),
    ),
    "mps": (Rule("torch", "the one engine that computes on Apple's GPUs"),),
    "cpu": (
        Rule(
            "numpy",
            "level with PyTorch (a step takes 0.8 to 1.0 of a plain PyTorch loop's time, our "
            "PyTorch engine 0.7 to 0.9; TensorFlow and JAX are slower), in half the memory, and "
            "starts seconds sooner",
        ),
    ),
}


def choose(device: str = "auto") -> Rule:
    """Return the rule by which "auto" picks an engine for a device.

    Without a word about the device, it is a GPU if the driver lends one that an installed engine
    computes on, else the CPU. Raises InputError if no engine computes on the device asked for.
    """
    kind = device.partition(":")[0]
    if kind == "auto":
        return (gpu_driver.count() and _first("cuda")) or RULES["cpu"][0]
    if kind not in RULES or kind == "cpu":  # what is no device, the NumPy engine will say
        return RULES["cpu"][0]
    rule = _first(kind)
    if rule is None:
        raise InputError(
            f"No engine that is installed computes on device {device!r}. Take --device cpu, or "
            f"install one that does, for example with: {LIBRARIES['torch'].pip}. What there is: "
            f"ganbaru engines."
        )
    return rule


def _first(kind: str) -> Rule | None:
    return next((rule for rule in RULES[kind] if _takes(rule.engine, kind)), None)


def _takes(name: str, kind: str) -> bool:
    """Say whether an engine, of its own accord, computes on a kind of device."""
    try:
        return str(imported(name).default_device()).partition(":")[0] == kind
    except InputError:
        return False
