"""Reading the files of `torch.save` without PyTorch, and without running any code of theirs.

Since PyTorch 1.6 a file is a zip: a pickle of the structure and a member for each storage, the
numbers of one tensor or several. Before, it was five pickles one after another (a mark, a version,
the machine, the structure, the storages' order) and then the storages.
"""

from __future__ import annotations

import functools
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from ganbaru.data.claims import open_regular
from ganbaru.data.formats.restricted_pickle import RefusedError, RestrictedUnpickler
from ganbaru.errors import InputError

MARK, VERSION = 0x1950A86A20F9469CFC6C, 1001  # of the older format
_BFLOAT16 = "bfloat16"  # the upper half of a float32, a type that NumPy lacks
_KINDS = {"Double": "f8", "Float": "f4", "Half": "f2", "BFloat16": _BFLOAT16, "Bool": "?"}
_KINDS |= {"Long": "i8", "Int": "i4", "Short": "i2", "Char": "i1", "Byte": "u1"}


class _Dictionary(dict):
    """Stands in for an OrderedDict."""

    def __setstate__(self, state: object) -> None:
        """Ignore its attributes, the versions of modules."""


@dataclass
class _Storage:
    """Numbers in one run of memory, which follow the structure in the older format."""

    kind: str
    count: int
    values: np.ndarray = field(default_factory=lambda: np.empty(0))

    def fill(self, data: bytes, little: bool) -> None:
        """Set the numbers from exactly as many bytes; short floating types become float32."""
        kind = "u2" if self.kind == _BFLOAT16 else self.kind
        values = np.frombuffer(data, np.dtype(kind).newbyteorder("<" if little else ">"))
        if len(values) != self.count:
            raise ValueError(f"a storage has {len(values)} numbers of {self.count}")
        if self.kind == _BFLOAT16:
            values = (values.astype(np.uint32) << 16).view(np.float32)
        native = np.dtype(np.float32) if self.kind == "f2" else values.dtype.newbyteorder("=")
        self.values = values.astype(native)

    @property
    def size(self) -> int:
        """The number of bytes in the file."""
        return self.count * (2 if self.kind == _BFLOAT16 else np.dtype(self.kind).itemsize)


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> np.ndarray:
        """Return a copy as an array; no view reaches beyond its storage."""
        pairs = zip(self.shape, self.strides, strict=True)
        last = self.offset + sum((n - 1) * step for n, step in pairs)
        values, count = self.storage.values, math.prod(self.shape)
        least = min((self.offset, count, *self.shape, *self.strides))
        if least < 0 or count > len(values) or (count and last >= len(values)):
            raise ValueError(f"a tensor of shape {self.shape} exceeds its storage")
        steps = [step * values.itemsize for step in self.strides]
        view = np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, steps)
        return np.array(view if count else np.empty(self.shape, values.dtype), order="C")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *others: object) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise TypeError("a tensor without a storage")
    return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _parameter(tensor: object, *others: object) -> object:
    return tensor


_ALLOWED: dict[tuple[str, str], object] = {
    ("collections", "OrderedDict"): _Dictionary,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    **{("torch", f"{name}Storage"): kind for name, kind in _KINDS.items()},
}


class _Structure:
    """The structure of a file and its storages by key."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self.storages: dict[str, _Storage] = {}
        load = functools.partial(RestrictedUnpickler, allowed=_ALLOWED, encoding=encoding)
        self.content = load(file, persistent=self._storage).load()

    def _storage(self, identity: Any) -> _Storage:
        name, kind, key, _, count, *view = identity
        if name != "storage" or kind not in _KINDS.values() or any(view):
            raise TypeError(f"no storage of numbers: {identity}")
        return self.storages.setdefault(str(key), _Storage(kind, int(count)))


MAX_DEPTH, MAX_VALUES = 16, 100_000  # of dictionaries in each other; of everything in a file
SHARED = 8  # times a file's size that its tensors may have, since some share their numbers


@dataclass
class _Converter:
    """Converts tensors in nested dictionaries to arrays, up to the bytes that they may have.

    A dictionary may be in another one twice, so a small file can name any number of tensors.
    """

    left: int
    values: int = 0

    def convert(self, found: Any, depth: int = 0) -> Any:
        self.values += 1
        if isinstance(found, _Tensor):
            self.left -= math.prod(found.shape) * found.storage.values.itemsize
        if depth > MAX_DEPTH or self.values > MAX_VALUES or self.left < 0:
            raise ValueError("it would unpack to more than such a file can hold")
        if isinstance(found, Mapping):
            return {key: self.convert(value, depth + 1) for key, value in found.items()}
        return found.array() if isinstance(found, _Tensor) else found


def _arrays(found: Any, file: IO[bytes]) -> Any:
    return _Converter(SHARED * os.fstat(file.fileno()).st_size).convert(found)


def _zipped(file: IO[bytes]) -> Any:
    with zipfile.ZipFile(file) as archive:
        infos = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        # PyTorch compresses nothing, so no file can claim more than its own size.
        if any(info.compress_type != zipfile.ZIP_STORED for info in infos.values()):
            raise ValueError("it has compressed members")
        with archive.open(infos["data.pkl"]) as member:
            structure = _Structure(member, "utf-8")
        little = "byteorder" not in infos or archive.read(infos["byteorder"]) == b"little"
        for key, storage in structure.storages.items():
            storage.fill(archive.read(infos[f"data/{key}"]), little)
    return _arrays(structure.content, file)


def _legacy(file: IO[bytes]) -> Any:
    mark, version, machine = (RestrictedUnpickler(file, {}).load() for _ in range(3))
    if (mark, version) != (MARK, VERSION):
        raise ValueError("it does not begin as one")
    structure = _Structure(file, "utf-8")
    for key in RestrictedUnpickler(file, {}).load():
        storage = structure.storages[key]
        count = int.from_bytes(file.read(8), "little")
        if count != storage.count:
            raise ValueError(f"a storage has {count} numbers of {storage.count}")
        storage.fill(file.read(storage.size), machine["little_endian"])
    return _arrays(structure.content, file)


def read(path: Path) -> Any:
    """Return what `torch.save` wrote, tensors in nested dictionaries as arrays.

    Floating types of 16 bits become float32. Raises InputError for other objects, whose loading
    could run code, and for damaged files.
    """
    try:
        with open_regular(path) as file:
            legacy = file.read(2) != b"PK"
            file.seek(0)
            return _legacy(file) if legacy else _zipped(file)
    except InputError:
        raise
    except RefusedError as error:
        raise InputError(
            f"{path} contains Python objects other than tensors ({error}), perhaps a pickled "
            f"module. Loading it could run arbitrary code, so it is refused. Save only the weights "
            f"where it was made: torch.save(model.state_dict(), 'weights.pth')."
        ) from error
    # Damaged pickles fail with any exception.
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:80]
        raise InputError(f"Cannot read {path} as a PyTorch file: {reason}.") from error
