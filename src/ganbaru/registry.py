"""Names to things: a file in the family's folder, or a dotted path to the user's own module."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

from ganbaru.errors import InputError, did_you_mean, unknown


def names(family: str) -> list[str]:
    """List a family's members ("networks", "engines", "data"): its public files, by name."""
    package = importlib.import_module(f"ganbaru.{family}")
    found = (entry.name for entry in pkgutil.iter_modules(package.__path__))
    return sorted(name.replace("_", "-") for name in found if not name.startswith("_"))


def module(family: str, name: str) -> ModuleType:
    """Import the member `name` of a family; a dotted path names a user's own module instead."""
    if "." in name:
        return _user_module(name)
    if name not in names(family):
        raise unknown(family.removesuffix("s"), name, names(family))
    return importlib.import_module(f"ganbaru.{family}.{name.replace('-', '_')}")


def _user_module(path: str) -> ModuleType:
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        raise InputError(
            f"Cannot import {path!r}: {error}. A dotted name must be a module that Python finds "
            f"from here: check its spelling, or put its folder on PYTHONPATH."
        ) from error


def user_object(path: str) -> object:
    """Import ``package.module.attribute`` of the user's own."""
    parent, _, attribute = path.rpartition(".")
    found = _user_module(parent)
    if not hasattr(found, attribute):
        raise InputError(f"Module {parent!r} has no {attribute!r}: check the spelling of {path!r}.")
    return getattr(found, attribute)


def parse_options(text: str) -> tuple[str, dict[str, float]]:
    """Split ``name:key=value,key=value`` into the name and its options, numbers all."""
    name, _, rest = text.strip().partition(":")
    options: dict[str, float] = {}
    for item in filter(None, rest.split(",")):
        key, _, value = item.partition("=")
        try:
            options[key.strip()] = float(value)
        except ValueError:
            raise InputError(
                f"Cannot read {item!r} in {text!r}: write options as {name}:key=number,key=number."
            ) from None
    return name, options


def check_options(kind: str, name: str, function: object, options: dict[str, float]) -> None:
    """Raise InputError unless `function` takes every option by keyword with a number as default."""
    parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    known = [p.name for p in parameters if p.default is not inspect.Parameter.empty]
    for option in options:
        if option not in known:
            allowed = f"Known: {', '.join(known)}." if known else "It has none."
            near = did_you_mean(option, known)
            raise InputError(f"The {kind} {name} has no option {option!r}.{near} {allowed}")
