"""The contract of an engine: the operations of `ganbaru.ops`, and what it does with devices."""

from __future__ import annotations

import abc
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ganbaru import ops
from ganbaru.errors import InputError

PRECISIONS = ("float32", "float64")  # of every engine; some have more
BF16 = "bf16"
AUTO = "auto"


def storage_precision(precision: str) -> str:
    """Return the type in which a precision stores numbers: bf16 is one of products alone."""
    return precision if precision in PRECISIONS else PRECISIONS[0]


def statics(*functions: Callable) -> list[Any]:
    """Return functions of a library as static methods, each an operation as it is."""
    return [staticmethod(function) for function in functions]


def mapped(rule: Callable, nest: Any) -> Any:
    """Apply a rule to each leaf of nested dictionaries, lists and tuples."""
    if isinstance(nest, dict):
        return {key: mapped(rule, item) for key, item in nest.items()}
    if isinstance(nest, (list, tuple)):
        items = [mapped(rule, item) for item in nest]
        return type(nest)(*items) if hasattr(nest, "_fields") else type(nest)(items)
    return rule(nest)


class ExtraPrecision(NamedTuple):
    """A precision beyond float32 and float64; both functions take a device."""

    lacks: Callable[[str], str]  # why the device cannot compute in it, "" if it can
    notes: Callable[[str], tuple[str, ...]]  # what to know before training in it there


@dataclass(frozen=True)
class Engine(ops.Operations, ABC):
    """An engine on one of its devices, at one precision; `fast` permits faster, inexact training.

    Each operation of `ops.OPERATIONS` is a required static method, documented in `ganbaru.ops`.
    """

    name: str
    device: str
    precision: str = PRECISIONS[0]
    fast: bool = False
    devices: int = 1  # that divide each batch

    # Root modules of its tensors' types, such as "torch".
    TENSOR_MODULES: ClassVar[tuple[str, ...]] = ()
    EXTRA_PRECISIONS: ClassVar[Mapping[str, ExtraPrecision]] = {}
    # For float32 or float64, why a device cannot compute in it, "" if it can.
    LIMITS: ClassVar[Mapping[str, Callable[[str], str]]] = {}

    # Whether several processes may train one run (`ganbaru.ranks`): by exchanges in a step, or each
    # step as one program of all of them.
    RANKS: ClassVar[bool] = False
    MESH: ClassVar[bool] = False

    # --- required -----------------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def default_device(cls) -> str:
        """Return the device used when none is named: the best that is present."""

    @classmethod
    @abstractmethod
    def check_device(cls, device: str) -> None:
        """Raise ValueError, naming the usable devices, for one that cannot be used."""

    @classmethod
    @abstractmethod
    def describe_device(cls, device: str) -> str:
        """Return the library's version and the number of threads or the GPU's name."""

    @abstractmethod
    def copy_to_device(self, array: np.ndarray) -> Any:
        """Copy an array to the device as a tensor of the same type; 4 axes channels-last."""

    @staticmethod
    @abstractmethod
    def to_numpy(x: Any) -> np.ndarray:
        """Return the values of a tensor as an array."""

    # --- optional -----------------------------------------------------------------------------

    def __post_init__(self) -> None:
        """Make the device ready, where a library needs to know which one to use."""

    def compile_function(self, function: Callable) -> Callable:
        """Return a faster form of a pure function of nested tensors and numbers."""
        return function

    def compile_step(self, function: Callable) -> Callable:
        """Return a faster form of a training step, which consumes its first argument, the state.

        It alone is computed in bf16 and in the inexact ways that `fast` permits. It may have
        `notes`, a list of what the user should know once it has run.
        """
        return self.compile_function(function)

    def over(self, devices: int) -> Engine:
        """Return the engine over several devices of its kind, of each process."""
        if devices == 1:
            return self
        raise InputError(
            f"--devices {devices} is for --engine jax, and this is {self.name}: with torch start "
            f"as many processes under `torchrun` (docs/scaling.md)."
        )

    @staticmethod
    def across(x: Any, group: Any) -> Any:
        """Return the sum of a tensor over the ranks of a group; see `ganbaru.ranks.across`."""
        raise NotImplementedError("across")

    def batch_from_numpy(self, array: Any) -> Any:
        """Copy an array with a row for each image of a batch to the device, or to all of them."""
        return self.from_numpy(array)

    def synchronise(self) -> None:
        """Wait until the device has finished its work."""

    def stored_programs(self) -> int:
        """Return how many compiled programs are stored, for later processes to find."""
        return 0

    def peak_memory(self) -> int | None:
        """Return the largest memory used on the device, in bytes; None where it is not known."""
        return None

    def device_dataset(self, images: np.ndarray) -> Callable[[Any], Any] | None:
        """Copy images (N, H, W, C) of bytes to the device, if it runs asynchronously and they fit.

        Returns a function from indices (N,) to those images as float32 from 0 to 255.
        """
        return None

    def configure_process(self) -> None:
        """Set the switches of the whole process that make a command exact, repeatable and fast."""

    # --- what all share -----------------------------------------------------------------------

    def from_numpy(self, array: Any) -> Any:
        """Copy an array to the device, floating numbers in this engine's precision."""
        return self.copy_to_device(self.cast(array))

    def cast(self, array: Any) -> np.ndarray:
        """Return an array, floating numbers in this engine's precision."""
        array = np.asarray(array)
        floating = array.dtype.kind == "f"
        return array.astype(storage_precision(self.precision)) if floating else array

    def compile(self, function: Callable, consumes: bool = False) -> Callable:
        """Return a faster form of a pure function of nested tensors, where the engine has one.

        Python numbers among its arguments are inputs too. Each set of shapes may take seconds to
        compile. `consumes` marks a training step, see `compile_step`; everything else is computed
        in float32 or float64.
        """
        return self.compile_step(function) if consumes else self.compile_function(function)

    @property
    def runs_async(self) -> bool:
        """Whether it trains fast on another device, so that the CPU can prepare batches ahead."""
        return self.fast and self.device != "cpu"

    def notes(self) -> tuple[str, ...]:
        """Return what to know before training at this precision on this device."""
        extra = self.EXTRA_PRECISIONS.get(self.precision)
        return extra.notes(self.device) if extra else ()

    def describe(self) -> str:
        """Return the engine, its device, and what computes there."""
        return f"{self.name} on {self.device} ({self.describe_device(self.device)})"


def _required(name: str) -> staticmethod:
    def operation(*arguments: Any, **options: Any) -> Any:
        raise NotImplementedError(name)

    return staticmethod(abstractmethod(operation))


for _name in {*ops.OPERATIONS} - {"to_numpy"}:
    setattr(Engine, _name, _required(_name))
abc.update_abstractmethods(Engine)  # type: ignore[type-abstract]
