"""WebAssembly from its text: enough of an assembler for `multiply.wat`, so no binary is kept.

It takes one function that is exported, a memory that is imported, and instructions one after the
other, not nested. Formats and codes: WebAssembly core specification 2.0, chapter 5.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_TYPES = {"i32": 0x7F, "v128": 0x7B}


class _Scope(NamedTuple):
    """The places of names: of locals, and of the loops around, the innermost last."""

    names: dict[str, int]
    loops: list[str]


Taken = Callable[[list[str], _Scope], bytes]


def assembled(source: str) -> bytes:
    """Return the module of a text; raises ValueError or KeyError for what it does not know."""
    tokens = iter(re.findall(r'[()]|"[^"]*"|[^\s()"]+', re.sub(r";;.*", "", source)))
    ((_, (_, space, memory, (_, pages)), function),) = _nested(tokens)
    _, (_, name), *rest = function
    parameters, variables = ([x for x in rest if x[0] == kind] for kind in ("param", "local"))
    scope = _Scope({x[1]: place for place, x in enumerate(parameters + variables)}, [])
    types = bytes(_TYPES[x[2]] for x in parameters)
    body = _variables(variables) + b"".join(_code(rest, scope)) + b"\x0b"
    sections = {
        1: b"\x60" + _sized(types) + _sized(b""),  # the function's type
        2: _text(space) + _text(memory) + b"\x02\0" + _unsigned(int(pages)),
        3: b"\0",
        7: _text(name) + b"\0\0",
        10: _sized(body),
    }
    whole = (bytes([number]) + _sized(b"\1" + one) for number, one in sections.items())
    return b"\0asm\1\0\0\0" + b"".join(whole)


def _nested(tokens: Iterator[str]) -> list[Any]:
    """Return what is in brackets as lists, up to the end of this one."""
    found: list[Any] = []
    for token in tokens:
        if token == ")":
            break
        found.append(_nested(tokens) if token == "(" else token)
    return found


def _variables(variables: list[list[str]]) -> bytes:
    each = (b"\1" + bytes([_TYPES[kind]]) for _, _, kind in variables)
    return _unsigned(len(variables)) + b"".join(each)


def _code(parts: list[Any], scope: _Scope) -> Iterator[bytes]:
    """Yield each instruction with what it takes."""
    words = [part for part in parts if isinstance(part, str)]
    starts = [
        i for i, word in enumerate(words) if re.fullmatch(r"[a-z]\w*\.\w+|[a-z]+(_if)?", word)
    ]
    for start, end in zip(starts, [*starts[1:], len(words)], strict=True):
        code, taken = _CODES[words[start]]
        yield bytes(code) + taken(words[start + 1 : end], scope)


def _text(quoted: str) -> bytes:
    return _sized(quoted.strip('"').encode())


def _sized(content: bytes) -> bytes:
    return _unsigned(len(content)) + content


def _unsigned(number: int) -> bytes:
    """Return a number in LEB128: 7 bits a byte, the lowest first."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _unsigned(rest) if rest else bytes([low])


def _signed(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    last = rest == (-1 if low & 0x40 else 0)
    return bytes([low]) if last else bytes([low | 0x80]) + _signed(rest)


# --- instructions -----------------------------------------------------------------------------


def _nothing(taken: list[str], scope: _Scope) -> bytes:
    if taken:
        raise ValueError(f"an instruction without operands was given {taken}")
    return b""


def _variable(taken: list[str], scope: _Scope) -> bytes:
    (name,) = taken
    return _unsigned(scope.names[name])


def _loop(taken: list[str], scope: _Scope) -> bytes:
    scope.loops.extend(taken)
    return b"\x40"  # without a result


def _end(taken: list[str], scope: _Scope) -> bytes:
    scope.loops.pop()
    return _nothing(taken, scope)


def _branch(taken: list[str], scope: _Scope) -> bytes:
    (name,) = taken
    return _unsigned(scope.loops[::-1].index(name))


def _number(taken: list[str], scope: _Scope) -> bytes:
    (number,) = taken
    return _signed(int(number))


def _four(taken: list[str], scope: _Scope) -> bytes:
    _, *numbers = taken
    return struct.pack("<4i", *map(int, numbers))


def _memory(alignment: int) -> Taken:
    """Return what encodes an offset, with the alignment as a power of two."""

    def encode(taken: list[str], scope: _Scope) -> bytes:
        offset = int(taken[0].removeprefix("offset=")) if taken else 0
        return _unsigned(alignment) + _unsigned(offset)

    return encode


_CODES: dict[str, tuple[list[int], Taken]] = {
    "loop": ([0x03], _loop),
    "end": ([0x0B], _end),
    "br_if": ([0x0D], _branch),
    "local.get": ([0x20], _variable),
    "local.set": ([0x21], _variable),
    "local.tee": ([0x22], _variable),
    "i32.const": ([0x41], _number),
    "i32.add": ([0x6A], _nothing),
    "i32.sub": ([0x6B], _nothing),
    "i32.mul": ([0x6C], _nothing),
    "v128.load": ([0xFD, 0x00], _memory(4)),
    "v128.load32_splat": ([0xFD, 0x09], _memory(2)),
    "v128.store": ([0xFD, 0x0B], _memory(4)),
    "v128.const": ([0xFD, 0x0C], _four),
    "f32x4.add": ([0xFD, 0xE4, 0x01], _nothing),
    "f32x4.mul": ([0xFD, 0xE6, 0x01], _nothing),
}
