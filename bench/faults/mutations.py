"""Seeded damage to files: of bytes, of JSON and YAML values, and of safetensors' headers."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from typing import Any

Mutant = tuple[bytes, str]  # the content, and what was done

MODULE = "hostile"  # the module that no file may cause to be imported

# Values as JSON (all of them YAML, too) in place of one value.
VALUES = (
    "null", "true", "false", "-1", "0", "1", "1.5", "1e400", "-1e400", "NaN", "Infinity",
    "2147483648", "9223372036854775807", "9223372036854775808", "999999999", "20000", "1e12",
    "1" + "0" * 5000, '""', '" "', "[]", "{}", "[null]", "[[]]", "[1, 2]", '{"a": 1}', '["a", "a"]',
    '"' + "a" * 100_000 + '"', "[" * 100_000 + "]" * 100_000, '{"a":' * 5_000 + "1" + "}" * 5_000,
    '"x\\u001b]0;title\\u0007\\u001b[31m\\u009b2J\\u202e\\n"', '"\\ud800"', '"\\u0000"', '"/"',
    '".."', '"../../../../etc/passwd"', '"/dev/zero"', '"/dev/stdin"',
    '"<script>alert(1)</script>"',
    '"65536x65536"', '"1x1"', '"os.system"', '"shutil.rmtree"', '"antigravity"', '"idlelib.idle"',
    f'"{MODULE}"', f'"{MODULE}.thing"', f'"{MODULE}.thing:gamma=1"', f'"r1+{MODULE}.thing"',
)  # fmt: skip
HOLE = "\ufdd0hole\ufdd0"  # stands for a value while the rest is dumped

_LETTERS = "abcdefghi"
YAML_BOMBS = (
    "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(
        f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n"
        for p, c in zip(_LETTERS, _LETTERS[1:], strict=False)
    ),
    "batch: !!python/object/apply:os.system ['true']\n",
    f"network: !!python/name:{MODULE}.thing\n",
    "width: *unknown\n",
    "? [a]\n: 1\n",
    "--- 1\n--- 2\n",
    "batch: 8\nbatch: [\n",
    "seed: 2026-13-45\n",
    "1: 2\nnull: 3\n",
    "<<: {width: 4}\n",
    "\t\x00",
    "&a [*a]\n",
    "width: 0x" + "f" * 4000 + "\n",
    "width: 190:20:30\n",
)


def damaged(rng: random.Random, data: bytes, other: bytes = b"") -> Mutant:
    """Damage bytes in one of several ways; `other` is spliced in."""
    choices: tuple[Callable[[random.Random, bytearray, bytes], str], ...] = (
        _cut, _flip, _flip, _claim, _claim, _splice, _repeat, _blank, _empty,
    )  # fmt: skip
    content = bytearray(data)
    said = rng.choice(choices)(rng, content, other)
    return bytes(content), said


def _place(rng: random.Random, content: bytearray) -> int:
    """Return a place, as often near the start as anywhere, since headers are there."""
    limit = min(len(content), rng.choice((16, 128, 1024, len(content) or 1)))
    return rng.randrange(max(1, limit))


def _cut(rng: random.Random, content: bytearray, other: bytes) -> str:
    at = _place(rng, content)
    del content[at:]
    return f"cut at {at}"


def _flip(rng: random.Random, content: bytearray, other: bytes) -> str:
    places = [_place(rng, content) for _ in range(rng.choice((1, 1, 4, 32)))]
    for at in places if content else ():
        content[at] ^= 1 << rng.randrange(8)
    return f"bits flipped at {places[:4]}"


def _claim(rng: random.Random, content: bytearray, other: bytes) -> str:
    """Write an extreme number over two, four or eight bytes, as a size in a header would be."""
    form = rng.choice(("<H", ">H", "<I", ">I", "<I", ">I", "<Q"))
    size, at = struct.calcsize(form), _place(rng, content)
    top = 1 << (8 * size)
    number = rng.choice((top - 1, top >> 1, (top >> 1) - 1, 0, 1, top >> rng.randrange(1, 16)))
    content[at : at + size] = struct.pack(form, min(number, top - 1))
    return f"{form} {number} at {at}"


def _splice(rng: random.Random, content: bytearray, other: bytes) -> str:
    at, begin = _place(rng, content), rng.randrange(max(1, len(other)))
    piece = other[begin : begin + rng.choice((4, 64, 1000))]
    content[at : at + len(piece)] = piece
    return f"{len(piece)} foreign bytes at {at}"


def _repeat(rng: random.Random, content: bytearray, other: bytes) -> str:
    at, length = _place(rng, content), rng.choice((1, 8, 512))
    content[at:at] = content[at : at + length] * rng.choice((1, 3, 50))
    return f"{length} bytes repeated at {at}"


def _blank(rng: random.Random, content: bytearray, other: bytes) -> str:
    at, length = _place(rng, content), rng.choice((4, 64, 4096))
    content[at : at + length] = bytes([rng.choice((0, 255))]) * len(content[at : at + length])
    return f"{length} equal bytes at {at}"


def _empty(rng: random.Random, content: bytearray, other: bytes) -> str:
    content[:] = rng.choice((b"", b"\0", b"\xff" * 64, b"{}", b"[]", b"null", b"\n" * 9, other))
    return "other content"


# --- JSON and YAML ----------------------------------------------------------------------------


def json_value(rng: random.Random, text: str) -> tuple[str, str]:
    """Replace, remove, rename or double one value somewhere in a JSON text."""
    tree = json.loads(text)
    places = list(_places(tree))
    if not places:
        return rng.choice(VALUES), "other content"
    parent, key, path = rng.choice(places)
    way = rng.choice(("replace",) * 7 + ("remove", "rename", "double"))
    if way == "replace":
        value, parent[key] = rng.choice(VALUES), HOLE
        done = json.dumps(tree).replace(json.dumps(HOLE), value)
        return done, f"{path} = {value[:60]}"
    if isinstance(parent, list):
        parent[key : key + 1] = [] if way == "remove" else [parent[key]] * 2000
    elif way == "remove":
        del parent[key]
    else:
        parent[f"{key}\x1b[31m"] = parent.pop(key) if way == "rename" else parent[key]
    return json.dumps(tree), f"{way} {path}"


def _places(tree: Any, path: str = "$", depth: int = 0) -> Any:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(items):
        yield tree, key, f"{path}.{key}"
        if isinstance(value, (dict, list)) and depth < 6:
            yield from _places(value, f"{path}.{key}", depth + 1)


def json_file(rng: random.Random, data: bytes, other: bytes) -> Mutant:
    """Mutate a JSON file: mostly one value, else its bytes."""
    if rng.random() < 0.2:
        return damaged(rng, data, other)
    text, said = json_value(rng, data.decode())
    return text.encode("utf-8", "surrogatepass"), said


def json_lines(rng: random.Random, data: bytes, other: bytes) -> Mutant:
    """Mutate one line of a log, or its bytes."""
    if rng.random() < 0.2:
        return damaged(rng, data, other)
    lines = data.decode().splitlines()
    at = rng.randrange(len(lines))
    lines[at], said = json_value(rng, lines[at])
    text = "\n".join(lines) + "\n"
    return text.encode("utf-8", "surrogatepass"), f"line {at + 1}: {said}"


def yaml_file(rng: random.Random, data: bytes, other: bytes) -> Mutant:
    """Mutate one field of a configuration, add a bomb, or damage its bytes."""
    way = rng.random()
    if way < 0.15:
        return damaged(rng, data, other)
    if way < 0.3:
        bomb = rng.choice(YAML_BOMBS)
        return rng.choice((b"", data)) + bomb.encode(), f"bomb {bomb[:40]!r}"
    lines = data.decode().splitlines()
    fields = [i for i, line in enumerate(lines) if ":" in line]
    at, value = rng.choice(fields), rng.choice(VALUES)
    name = lines[at].partition(":")[0]
    lines[at] = f"{name}: {value}"
    return ("\n".join(lines) + "\n").encode(), f"{name} = {value[:60]}"


# --- safetensors ------------------------------------------------------------------------------


def unpacked(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header of a safetensors file, and its tensors' bytes."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def packed(header: str, tensors: bytes) -> bytes:
    """Return a safetensors file of a header as text."""
    text = header.encode("utf-8", "surrogatepass")
    return len(text).to_bytes(8, "little") + text + tensors


def described(data: bytes, about: str) -> bytes:
    """Return a checkpoint with another text in place of our part of its header."""
    header, tensors = unpacked(data)
    header["__metadata__"] = {**header.get("__metadata__", {}), "ganbaru": about}
    return packed(json.dumps(header), tensors)


def safetensors_file(rng: random.Random, data: bytes, other: bytes) -> Mutant:
    """Mutate our header (mostly), the library's header, the tensors' numbers, or the bytes."""
    way = rng.random()
    header, tensors = unpacked(data)
    about = header.get("__metadata__", {}).get("ganbaru", "{}")
    if way < 0.15:
        return damaged(rng, data, other)
    if way < 0.35:
        text, said = json_value(rng, json.dumps(header))
        return packed(text, tensors), f"safetensors {said}"
    if way < 0.45:
        content, at = bytearray(tensors), 4 * rng.randrange(max(1, len(tensors) // 4))
        number = rng.choice((float("nan"), float("inf"), -3e38, 1e-45))
        content[at : at + 4] = struct.pack("<f", number)
        return packed(json.dumps(header), bytes(content)), f"tensor value {number} at {at}"
    text, said = json_value(rng, about)
    return described(data, text), f"header {said}"
