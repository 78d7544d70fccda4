"""Modules by name: a file in the family's folder, or a dotted path to the user's own module."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import inspect
import math
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

from ganbaru.errors import InputError, did_you_mean, unknown
from ganbaru.formatting import LOG

# The package that holds a family's members, one module each.
_PACKAGES = {"networks": "networks", "engines": "engines", "data": "data.sets"}


def names(family: str) -> list[str]:
    """List a family's members ("networks", "engines", "data") by name, most of them its modules."""
    package = importlib.import_module(f"ganbaru.{_PACKAGES[family]}")
    if family == "engines":  # whose package holds other files too
        return sorted(package.LIBRARIES)
    own = _modules(tuple(package.__path__))
    return [*own, *plugin_names(family, own)]


def _own(family: str) -> Collection[str]:
    """Return the built-in names of a family."""
    package = importlib.import_module(f"ganbaru.{_PACKAGES[family]}")
    return package.LIBRARIES if family == "engines" else _modules(tuple(package.__path__))


@functools.cache
def _modules(folders: tuple[str, ...]) -> tuple[str, ...]:
    """List the public modules in folders as members; cached, since every network needs the list."""
    found = (entry.name for entry in pkgutil.iter_modules(folders))
    return tuple(sorted(name.replace("_", "-") for name in found if not name.startswith("_")))


# --- names that installed packages register ---------------------------------------------------


@functools.cache
def _entries(family: str) -> dict[str, tuple[EntryPoint, ...]]:
    """Return the entry points of the group ``ganbaru.FAMILY`` by name; read once."""
    found: dict[str, dict[str, EntryPoint]] = {}
    for entry in importlib.metadata.entry_points(group=f"ganbaru.{family}"):
        found.setdefault(entry.name, {})[entry.value] = entry
    return {name: tuple(entries.values()) for name, entries in sorted(found.items())}


@functools.cache
def plugin_names(family: str, own: tuple[str, ...]) -> tuple[str, ...]:
    """List the names that packages add to a family's `own`; one that is built in is refused."""
    for name in {*_entries(family)} & {*own}:
        values = ", ".join(entry.value for entry in _entries(family)[name])
        LOG.warning("%s registers the name %r, which is built in: it is not used.", values, name)
    return tuple(name for name in _entries(family) if name not in own)


def plugin(family: str, name: str) -> object | None:
    """Load what an installed package registers under a name; None if none does."""
    entries = _entries(family).get(name, ())
    if len(entries) > 1:
        values = ", ".join(entry.value for entry in entries)
        raise InputError(f"Several packages register {name!r} ({values}): uninstall all but one.")
    try:
        return entries[0].load() if entries else None
    except Exception as error:  # the package's code may raise anything
        raise InputError(
            f"Cannot load {entries[0].value}, which is installed as {name!r}: "
            f"{type(error).__name__}: {error}. Update or uninstall its package."
        ) from error


def member(family: str, kind: str, name: str, table: Mapping[str, Any], *also: str) -> Any:
    """Return `table[name]`, or what a package registers; raises the error for an unknown `kind`."""
    if name not in table and name not in also and (found := plugin(family, name)) is not None:
        return found
    if name not in table:
        raise unknown(kind, name, [*table, *plugin_names(family, tuple(table)), *also])
    return table[name]


@dataclass(frozen=True)
class Trust:
    """The modules that the names in a file may import, and the name of the file.

    None in its place: the names are the user's own words, and may import any module. Otherwise a
    name resolves to a registered one, to what an imported module declares (an objective, a penalty,
    a network, a data set, an engine), or to a module that the user trusts.
    """

    file: str
    modules: frozenset[str] = frozenset()  # each with its submodules
    flags: frozenset[str] = frozenset()  # fields whose values are the user's, not the file's

    def covers(self, field: str, name: str) -> bool:
        """Return whether the module `name` may be imported for a field."""
        return field in self.flags or any(f"{name}.".startswith(f"{m}.") for m in self.modules)

    def refusal(self, field: str, value: str, name: str) -> InputError:
        """Build the error for a value whose module `name` may not be imported."""
        what = f"{self.file} names the {field} {value[:LONGEST]!r}"
        if field == "data":
            what += ", which is no known set, file or folder"
        if not is_module_name(name):
            return InputError(f"{what}: not a known name, nor the dotted path of a module.")
        return InputError(
            f"{what}: using it would import the module {name} and run its code. If you know that "
            f"module and trust it, give --trust {name}."
        )


def trusting(file: object, modules: Collection[str] = (), *flags: str) -> Trust:
    """Return the trust in names that a file holds; raises InputError for a malformed module."""
    modules = [modules] if isinstance(modules, str) else modules
    for name in modules:
        if not (isinstance(name, str) and is_module_name(name)):
            raise InputError(
                f"Cannot trust {name!r}: give the name of a module, such as mypackage.networks."
            )
    return Trust(str(file), frozenset(modules), frozenset(flags))


# The fields of a configuration that may name a module of the user's own, or an object in one.
FIELDS = ("network", "objective", "penalty", "engine", "data")


def own_modules(field: str, value: str) -> list[str]:
    """List the modules of the user's own that the value of one of `FIELDS` names."""
    if field in ("objective", "penalty"):
        parts = value.split("+") if field == "penalty" else [value]
        objects = [parse_options(part)[0] for part in parts]
        return [each.rpartition(".")[0] for each in objects if "." in each]
    family = field if field == "data" else f"{field}s"
    return [] if value in (*names(family), "auto") or not findable(value) else [value]


LONGEST = 200  # characters of a module's name in a file, and of what a message quotes


def is_module_name(text: str) -> bool:
    """Return whether a text is a name, or several with dots between them."""
    return len(text) <= LONGEST and all(part.isidentifier() for part in text.split("."))


def module(family: str, name: str, trust: Trust | None) -> ModuleType:
    """Import the member `name` of a family, or a module of the user's own as far as trusted."""
    if name not in _own(family) and isinstance(found := plugin(family, name), ModuleType):
        return found
    if name in _own(family):
        return importlib.import_module(f"ganbaru.{_PACKAGES[family]}.{name.replace('-', '_')}")
    field = family.removesuffix("s")
    if "." not in name and not findable(name):
        raise unknown(field, name, names(family), _OWN)
    found = _user_module(field, name, name, _MEMBERS[family], trust)
    for attribute in _MEMBERS[family] if family != "data" else ():  # which may be a function
        _attribute(found, attribute)
    return found


# The attributes by which a user's own module is a member of a family.
_MEMBERS = {
    "networks": ("generator", "discriminator"),
    "engines": ("Engine",),
    "data": ("DATASET",),
}
_OWN = "Your own module is found if its folder is the current one or on PYTHONPATH."


class _Search:
    """Where the user's own modules are searched besides `sys.path`."""

    current_folder = False


def search_current_folder() -> None:
    """Find the user's own modules in the current folder too: for commands.

    It is put on `sys.path`, at its end, when a module is imported that the user named or trusts,
    and not before: a folder of downloads may hold a file named like an optional library.
    """
    _Search.current_folder = True


def searches_current_folder() -> bool:
    """Return whether `search_current_folder` was called in this process."""
    return _Search.current_folder


def findable(path: str) -> bool:
    """Return whether a dotted path begins with a module that Python finds; imports nothing."""
    first = path.partition(".")[0]
    if first in sys.modules or not first.isidentifier():
        return first in sys.modules
    return bool(importlib.util.find_spec(first) or PathFinder.find_spec(first, _current_folder()))


def _current_folder() -> list[str]:
    """Return the current folder if modules are searched there, and if it was not deleted."""
    with suppress(OSError):
        return [os.getcwd()] if _Search.current_folder else []
    return []


def _user_module(
    field: str, value: str, path: str, members: Collection[str], trust: Trust | None
) -> ModuleType:
    """Return the module `path` of a field's value; only one with `members` if not trusted."""
    if trust and not trust.covers(field, path):  # nothing is imported, parents neither
        present = sys.modules.get(path)
        if isinstance(present, ModuleType) and {*members} <= vars(present).keys():
            return present
        raise trust.refusal(field, value, path)
    sys.path += [each for each in _current_folder() if each not in sys.path]
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


def user_object(
    field: str, path: str, trust: Trust | None, declared: Callable[[object], bool]
) -> object:
    """Import ``package.module.attribute`` of the user's own, as far as trusted.

    Of a module that is only imported, not trusted, it returns nothing but objects that are
    `declared` to be what the field takes: no other function of a library or a program is called.
    """
    parent, _, attribute = path.rpartition(".")
    found = _attribute(_user_module(field, path, parent, (attribute,), trust), attribute)
    if trust and not trust.covers(field, parent) and not declared(found):
        raise trust.refusal(field, path, parent)
    return found


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
