"""Engines: the libraries that compute. Each public module here defines a class `Engine`."""

from __future__ import annotations

import functools
import importlib
import os
from typing import NamedTuple

from ganbaru import ops, registry
from ganbaru.engines import gpu_driver, malloc, requirements
from ganbaru.engines.base import AUTO as AUTO
from ganbaru.engines.base import BF16 as BF16
from ganbaru.engines.base import PRECISIONS as PRECISIONS
from ganbaru.engines.base import Engine as Engine
from ganbaru.engines.base import ExtraPrecision as ExtraPrecision
from ganbaru.engines.base import storage_precision as storage_precision
from ganbaru.engines.requirements import LIBRARIES as LIBRARIES
from ganbaru.errors import InputError, command_line, unknown
from ganbaru.registry import Trust


def available() -> list[str]:
    """List the engines whose library is installed."""
    return [name for name, library in LIBRARIES.items() if requirements.installed(library)]


@functools.cache
def load(
    name: str,
    device: str = "auto",
    precision: str = "float32",
    fast: bool = False,
    trust: Trust | None = None,
) -> Engine:
    """Return an engine on a device; "auto" chooses by `choose`, a dotted name is a user's module.

    `device` "auto" is the engine's best one; `precision` "auto" is bf16 on a GPU that has it if it
    may be `fast`, else float32. Raises InputError when the name, the device or the precision is
    unknown or unavailable. `trust` limits what a name from a file may import.
    """
    name = choose(device).engine if name == AUTO else name
    if "." not in name and name not in LIBRARIES:
        raise unknown("engine", name, [*LIBRARIES, AUTO])
    if precision not in (*PRECISIONS, BF16, AUTO):
        raise unknown("precision", precision, [*PRECISIONS, BF16, AUTO])
    found = imported(name, trust)
    if lacking := sorted(found.__abstractmethods__):
        raise InputError(f"Engine {name!r} lacks {', '.join(lacking)}: see `ganbaru.engines.base`.")
    device = found.default_device() if device == "auto" else device
    try:
        found.check_device(device)
    except ValueError as error:
        raise InputError(f"Cannot use device {device!r}: {error}.") from error
    engine = found(name, device, _precision(precision, found, name, device, fast), fast)
    if _Process.ours:
        configure_process(engine)
    return engine


class _Process:
    """Whether this process is a command of ours, which may set switches of all of it."""

    ours = False


def own_process() -> None:
    """Let every engine that is loaded from now on configure the process: for commands.

    ONNX Runtime's telemetry is off, unless $ORT_DISABLE_TELEMETRY is set: from 1.31 on it makes an
    identifier of the device at import, and warns where no home folder keeps it, as in a container.
    """
    _Process.ours = True
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def configure_process(engine: Engine) -> None:
    """Set the switches of an engine's library, and on a CPU those of the allocator.

    Commands and `ganbaru.train` do so; loading a generator in another program changes nothing. An
    engine of the user's own computes with all tensors of its library from then on.
    """
    if engine.device == "cpu":
        malloc.keep_freed()
    engine.configure_process()
    if engine.name not in LIBRARIES:
        ops.dispatch(type(engine), engine.TENSOR_MODULES)


def _precision(precision: str, found: type[Engine], name: str, device: str, fast: bool) -> str:
    """Return the precision to use; raises InputError for one that the device lacks."""
    extra = found.EXTRA_PRECISIONS
    if precision == AUTO:
        better = (each for each, (lacks, _) in extra.items() if not lacks(device))
        return next(better, PRECISIONS[0]) if fast and device != "cpu" else PRECISIONS[0]
    other = "--device cpu" if precision in PRECISIONS else "--engine torch on a CPU or newer GPU"
    lacks = dict.fromkeys(PRECISIONS, "")
    lacks |= {kind: rule(device) for kind, rule in found.LIMITS.items()}
    lacks |= {kind: each.lacks(device) for kind, each in extra.items()}
    if lacking := lacks.get(precision, "it is the torch engine's"):
        usable = " or ".join(kind for kind in PRECISIONS if not lacks[kind])
        raise InputError(
            f"The {name} engine has no --precision {precision} on device {device!r}: {lacking}. "
            f"Use --precision {usable}, or {other}."
        )
    return precision


def imported(name: str, trust: Trust | None = None) -> type[Engine]:
    """Import an engine's class; raises InputError if its library is missing, too old or broken."""
    if name not in LIBRARIES:  # the user's own, which checks its imports itself
        own: object = registry.module("engines", name, trust).Engine
        if not (isinstance(own, type) and issubclass(own, Engine)):
            raise InputError(f"{name}.Engine is no engine: derive it from ganbaru.engines.Engine.")
        return own
    requirements.check(name)
    try:
        found: type[Engine] = importlib.import_module(f"ganbaru.engines.{name}").Engine
    except Exception as error:  # a broken installation may raise anything
        raise requirements.broken(name, error) from error
    requirements.check(name)  # some libraries reveal their version only now
    return found


# --- the choice of "auto" -----------------------------------------------------------------------


class Rule(NamedTuple):
    """An engine that "auto" may choose, and the reason for its place among the others."""

    engine: str
    reason: str


# For each kind of device, the engines in order of preference: "auto" chooses the first that is
# installed and computes there. Figures are from docs/results.md.
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
            "near PyTorch (a step takes 0.8 to 1.3 of a plain PyTorch loop's time, our PyTorch "
            "engine 0.7 to 0.8; TensorFlow and JAX are slower), in half the memory, and starts "
            "seconds sooner",
        ),
    ),
}


# At the sizes of pictures (`bench.picture_steps`). But PyTorch starts two seconds later, and takes
# 200 MB more.
LONG = Rule("torch", "PyTorch is installed: 1.3 to 1.8 times as fast as NumPy")


def choose_for_long() -> str:
    """Return the engine for a training of many minutes on a CPU: PyTorch if installed, or AUTO."""
    return LONG.engine if _takes(LONG.engine, "cpu") else AUTO


def choose(device: str = "auto") -> Rule:
    """Return the rule by which "auto" chooses an engine for a device.

    Device "auto" is a GPU if the driver reports one that an installed engine computes on, else the
    CPU. Raises InputError if no installed engine computes on the device.
    """
    kind = device.partition(":")[0]
    if kind == "auto":
        return (gpu_driver.count() and _first("cuda")) or RULES["cpu"][0]
    if kind not in RULES or kind == "cpu":  # the NumPy engine refuses what is not a device
        return RULES["cpu"][0]
    rule = _first(kind)
    if rule is None:
        raise InputError(
            f"No installed engine computes on device {device!r}. Use --device cpu, or install one "
            f"that does. To list them: {command_line('engines')}"
        )
    return rule


def _first(kind: str) -> Rule | None:
    return next((rule for rule in RULES[kind] if _takes(rule.engine, kind)), None)


def _takes(name: str, kind: str) -> bool:
    """Return whether an engine is installed and computes on a kind of device."""
    try:
        imported(name).check_device(kind)
    except (InputError, ValueError):
        return False
    return True
