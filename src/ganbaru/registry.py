"""Modules by name: a file in the family's folder, or a dotted path to the user's own module."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import math
import pkgutil
import traceback
from contextlib import suppress
from types import ModuleType

from ganbaru.errors import InputError, did_you_mean, unknown

# The package that holds a family's members, one module each.
_PACKAGES = {"networks": "networks", "engines": "engines", "data": "data.sets"}


def names(family: str) -> list[str]:
    """List a family's members ("networks", "engines", "data") by name, most of them its modules."""
    package = importlib.import_module(f"ganbaru.{_PACKAGES[family]}")
    if family == "engines":  # whose package holds other files too
        return sorted(package.LIBRARIES)
    found = (entry.name for entry in pkgutil.iter_modules(package.__path__))
    return sorted(name.replace("_", "-") for name in found if not name.startswith("_"))


def module(family: str, name: str) -> ModuleType:
    """Import the member `name` of a family, or the user's own module of that name."""
    if name in names(family):
        return importlib.import_module(f"ganbaru.{_PACKAGES[family]}.{name.replace('-', '_')}")
    if "." not in name and not (name.isidentifier() and importlib.util.find_spec(name)):
        raise unknown(family.removesuffix("s"), name, names(family), _OWN)
    found = _user_module(name)
    for attribute in _MEMBERS.get(family, ()):
        _attribute(found, attribute)
    return found


# The attributes that a user's own module of a family must have.
_MEMBERS = {"networks": ("generator", "discriminator"), "engines": ("Engine",)}
_OWN = "Your own module is found if its folder is the current one or on PYTHONPATH."


def _user_module(path: str) -> ModuleType:
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        raise InputError(f"Cannot import {path!r}: {error}. Check its spelling. {_OWN}") from error
    except Exception as error:  # the user's code may raise anything
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f" ({place.filename}, line {place.lineno})"
        reason = f"{error}" if isinstance(error, SyntaxError) else f"{error}{where}"
        raise InputError(f"Cannot import {path!r}: {type(error).__name__}: {reason}.") from error


def _attribute(found: ModuleType, name: str) -> object:
    if not hasattr(found, name):
        near = did_you_mean(name, vars(found))
        raise InputError(
            f"Module {found.__name__!r} has no {name!r}.{near} Write it there, or check the "
            f"spelling."
        )
    return getattr(found, name)


def user_object(path: str) -> object:
    """Import ``package.module.attribute`` of the user's own."""
    parent, _, attribute = path.rpartition(".")
    return _attribute(_user_module(parent), attribute)


def parse_options(text: str) -> tuple[str, dict[str, float]]:
    """Parse ``name:key=value,key=value`` into the name and its numeric options."""
    name, _, rest = text.strip().partition(":")
    options: dict[str, float] = {}
    for item in filter(None, rest.split(",")):
        key, _, value = item.partition("=")
        options[key.strip()] = math.nan
        with suppress(ValueError):
            options[key.strip()] = float(value)
        if not math.isfinite(options[key.strip()]):
            raise InputError(
                f"Cannot read {item!r} in {text!r}: write options as {name}:key=number,key=number."
            )
    return name, options


def check_options(kind: str, name: str, function: object, options: dict[str, float]) -> None:
    """Raise InputError unless `function` takes every option by keyword, with a default."""
    if not callable(function):
        raise InputError(
            f"The {kind} {name} is not a function but of type {type(function).__name__}."
        )
    parameters = inspect.signature(function).parameters.values()
    known = [p.name for p in parameters if p.default is not inspect.Parameter.empty]
    for option in options:
        if option not in known:
            allowed = f"Known: {', '.join(known)}." if known else "It has none."
            near = did_you_mean(option, known)
            raise InputError(f"The {kind} {name} has no option {option!r}.{near} {allowed}")
