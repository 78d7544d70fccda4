"""Records: content of JSON and YAML files, checked against a declared type before it is used.

A type is a dataclass, a TypedDict, `Any` (of JSON), or made of bool, int, float, str, None, list,
tuple, dict and unions; ``Annotated[int, Range(0, 9)]`` bounds a number, or the length of a text or
collection. Numbers are finite and of 64 bits, except in `Any`, and texts valid Unicode without NUL.
The first value that does not fit raises an InputError with the file, the place in it
(``$.scores.frechet.low``), the value and what is allowed.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import reprlib
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from ganbaru.errors import InputError

T = TypeVar("T")
Place = tuple[str | int, ...]  # the keys and indices that lead to a value

MAX_BYTES = 16 * 2**20  # of a file
# Values in a file: JSON of 16 MB may hold 8 million, which take 5 s to check and 500 MB.
MAX_VALUES = 1_000_000
MAX_DEPTH = 32  # of lists and dictionaries in each other where the type is Any
MAX_TEXT = 10_000  # characters of a text
MAX_YAML = 100_000  # bytes, of which the parser reads 100,000 a second


class Range(NamedTuple):
    """The least and the greatest value of a number, or length of a text or collection."""

    low: float = -math.inf
    high: float = math.inf

    def check(self, number: float, what: str, value: Any, place: Place) -> None:
        """Raise the error for `value`, which should be `what`, unless `number` is within."""
        if not self.low <= number <= self.high:  # NaN too
            ends = [(" from", self.low), (" up to", self.high)]
            said = "".join(f"{word} {end:,.15g}" for word, end in ends if math.isfinite(end))
            raise _misfit(place, value, what + said)


ANY = Range()
Count = Annotated[int, Range(0, 10**15)]
Seconds = Annotated[float, Range(0, 10**12)]


def read(path: Path, kind: type[T], remedy: str) -> T:
    """Read a JSON file; raises InputError, with the remedy, for what does not fit its type."""
    return parse(content(path, remedy), kind, path, remedy)


def parse(text: bytes | str, kind: type[T], where: object, remedy: str) -> T:
    """Parse JSON; `where` names its file in messages."""
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        if sum(map(text.count, ",[{")) > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES:,} values")
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise InputError(f"{where} is no valid JSON ({reason}). {remedy}") from error
    return check(found, kind, where, remedy)


def check(value: Any, kind: type[T], where: object, remedy: str, *place: str) -> T:
    """Return a value as its type, dataclasses made; raises InputError for what does not fit.

    `place` are the keys that lead to it in its file.
    """
    try:
        made: T = _checked(kind, value, place)
    except _MisfitError as error:
        path, found, allowed = error.args
        at = "$" + "".join(f"[{key}]" if isinstance(key, int) else _key(key) for key in path)
        raise InputError(f"{where}: {at} is {found}: it must be {allowed}. {remedy}") from error
    return made


def _key(key: str) -> str:
    return f".{key if key.isidentifier() and len(key) < 40 else reprlib.repr(key)}"


def content(path: Path, remedy: str, most: int = MAX_BYTES) -> bytes:
    """Return a regular file's bytes; raises InputError for other kinds of files and larger ones."""
    try:
        if path.exists() and not path.is_file():  # opening a FIFO would wait
            raise InputError(f"{path} is no regular file. {remedy}")
        if (size := path.stat().st_size) > most:
            raise InputError(f"{path} has {size:,} bytes; {most:,} are allowed. {remedy}")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}). {remedy}") from error


def read_yaml(path: Path, remedy: str) -> dict[Any, Any]:
    """Read the fields of a YAML file of at most 100 kB; aliases are refused, as they multiply."""
    import yaml

    class Loader(yaml.SafeLoader):
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.depth += 1
            if self.check_event(yaml.AliasEvent) or self.depth > MAX_DEPTH:
                reason = "aliases and deep nesting are not allowed"
                raise yaml.MarkedYAMLError(problem=reason)
            made = super().compose_node(parent, index)
            self.depth -= 1
            return made

        def construct_yaml_int(self, node: Any) -> int:
            # 0xfff... has no limit of digits, and no text: printing it raises ValueError.
            if (made := super().construct_yaml_int(node)).bit_length() > 64:
                raise yaml.MarkedYAMLError(
                    "", None, "a number of more than 64 bits", node.start_mark
                )
            return int(made)

    Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_yaml_int)
    text = content(path, remedy, MAX_YAML)
    try:
        found = yaml.load(text.decode("utf-8"), Loader)  # noqa: S506  # a SafeLoader
    except Exception as error:  # a wrong tag raises KeyError, AttributeError and others
        place = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)[:200]
        where = f"line {place.line + 1}: {reason}" if place else reason
        raise InputError(f"{path} is not valid YAML ({where}). {remedy}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} has no fields. {remedy}")
    return found


# --- values by type ---------------------------------------------------------------------------


class _MisfitError(Exception):
    """A value that does not fit: its place, the value as text, and what is allowed."""


def _misfit(place: Place, value: Any, allowed: str) -> _MisfitError:
    return _MisfitError(place, reprlib.repr(value), allowed)


def _checked(kind: Any, value: Any, place: Place) -> Any:
    limits = ANY
    if typing.get_origin(kind) is Annotated:
        kind, limits = typing.get_args(kind)
    if dataclasses.is_dataclass(kind) or typing.is_typeddict(kind):
        return _record(kind, value, place)
    parser = _PARSERS.get(typing.get_origin(kind) or kind)
    if parser is None:
        raise _misfit(place, value, "a field of the file")
    return parser(kind, value, place, limits)


def _record(kind: Any, value: Any, place: Place) -> Any:
    """Return a dataclass, which has no other fields, or a TypedDict, without its other ones."""
    fields, found = _fields(kind), _table(dict, value, place, ANY)
    for name in found if dataclasses.is_dataclass(kind) else ():
        if name not in fields and (place or name != "ganbaru"):  # the mark of our own files
            raise _misfit((*place, name), found[name], f"a field ({', '.join(fields)})")
    for name, (_, required) in fields.items():
        if required and name not in found:
            raise _MisfitError((*place, name), "absent", "given")
    made = {
        name: _checked(of, found[name], (*place, name))
        for name, (of, _) in fields.items()
        if name in found
    }
    try:
        return kind(**made)
    except ValueError as error:  # of values that do not fit each other
        raise _misfit(place, value, f"consistent: {error}") from error


@functools.cache
def _fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    """Return the type of each field, and whether it is required."""
    hints = typing.get_type_hints(kind, include_extras=True)
    if not dataclasses.is_dataclass(kind):
        return {name: (of, name in kind.__required_keys__) for name, of in hints.items()}
    missing = dataclasses.MISSING
    return {
        field.name: (hints[field.name], field.default is field.default_factory is missing)
        for field in dataclasses.fields(kind)
    }


def _switch(kind: Any, value: Any, place: Place, limits: Range) -> bool:
    if not isinstance(value, bool):
        raise _misfit(place, value, "true or false")
    return value


def _nothing(kind: Any, value: Any, place: Place, limits: Range) -> None:
    if value is not None:
        raise _misfit(place, value, "null")


def _number(kind: Any, value: Any, place: Place, limits: Range) -> Any:
    """Return a number as it is: a whole one stays whole where a float is allowed."""
    what = "a whole number" if kind is int else "a finite number"
    if isinstance(value, bool) or not isinstance(value, int if kind is int else (int, float)):
        raise _misfit(place, value, what)
    if abs(value) >= 2**63 if isinstance(value, int) else not math.isfinite(value):
        raise _misfit(place, value, f"{what} of 64 bits")
    limits.check(value, what, value, place)
    return value


def _text(kind: Any, value: Any, place: Place, limits: Range) -> str:
    if not isinstance(value, str):
        raise _misfit(place, value, "a text")
    Range(limits.low, min(limits.high, MAX_TEXT)).check(
        len(value), "a text of length", value, place
    )
    try:
        if b"\0" not in value.encode():
            return value
    except UnicodeEncodeError:  # JSON can name a surrogate
        pass
    raise _misfit(place, value, "a text without NUL and lone surrogates")


def _list(kind: Any, value: Any, place: Place, limits: Range) -> list[Any]:
    if not isinstance(value, list):
        raise _misfit(place, value, "a list")
    limits.check(len(value), "a list of length", value, place)
    (of,) = typing.get_args(kind) or (Any,)
    return [_checked(of, each, (*place, i)) for i, each in enumerate(value)]


def _tuple(kind: Any, value: Any, place: Place, limits: Range) -> tuple[Any, ...]:
    kinds = typing.get_args(kind)
    if kinds[-1] is ...:
        return tuple(_list(list[kinds[0]], value, place, limits))  # type: ignore[valid-type]
    items = _list(list, value, place, Range(len(kinds), len(kinds)))
    pairs = enumerate(zip(kinds, items, strict=True))
    return tuple(_checked(of, each, (*place, i)) for i, (of, each) in pairs)


def _table(kind: Any, value: Any, place: Place, limits: Range) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _misfit(place, value, "a dictionary")
    limits.check(len(value), "a dictionary of length", value, place)
    for key in value:
        _text(str, key, place, ANY)
    of = typing.get_args(kind)
    return {key: _checked(of[1], x, (*place, key)) for key, x in value.items()} if of else value


def _union(kind: Any, value: Any, place: Place, limits: Range) -> Any:
    *others, last = typing.get_args(kind)
    for each in others:
        try:
            return _checked(each, value, place)
        except _MisfitError:
            continue
    return _checked(last, value, place)


def _json(kind: Any, value: Any, place: Place, limits: Range) -> Any:
    """Check JSON of any type: its depth and texts.

    Numbers are free: the state of a user's callback may hold 128 bits of a random generator, and an
    infinite best score.
    """
    if len(place) > MAX_DEPTH:
        raise _misfit(place, value, f"within {MAX_DEPTH} levels of lists and dictionaries")
    if isinstance(value, (int, float)):
        return value
    of: Any = type(value)
    return _checked({dict: dict[str, Any], list: list[Any]}.get(of, of), value, place)


_PARSERS: dict[Any, Callable[[Any, Any, Place, Range], Any]] = {
    Any: _json,
    bool: _switch,
    int: _number,
    float: _number,
    str: _text,
    types.NoneType: _nothing,
    list: _list,
    tuple: _tuple,
    dict: _table,
    types.UnionType: _union,
    typing.Union: _union,
}
