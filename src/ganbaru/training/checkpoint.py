"""Checkpoints: one safetensors file with a run's state and, in its header, how to rebuild it.

Never a pickle. Tensors are named ``group/name`` and have PyTorch's layout, so any engine loads any
file. Files are written atomically: under another name, flushed to disk, then renamed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypedDict, TypeVar

import numpy as np

from ganbaru import files, records
from ganbaru.config import from_file, typed
from ganbaru.data.attributes import MAX_ATTRIBUTES, Attribute
from ganbaru.errors import InputError, pip_install
from ganbaru.records import Count, Range, Seconds

T = TypeVar("T")
FORMAT = 2  # 1 had the log's `reports` where 2 has `callbacks`
Groups = dict[str, dict[str, np.ndarray]]
Shapes = dict[str, dict[str, tuple[int, ...]]]
DTYPES = ("F16", "F32", "F64", "I64")  # that are written, as safetensors names them
_FIX = (
    "Delete it to go on from the one before it, choose another with --checkpoint, or give a file "
    "from the checkpoints folder of a run."
)


@dataclass(frozen=True)
class Header:
    """The description of a checkpoint: enough to rebuild the networks and to resume the run."""

    version: str
    config: dict[str, Any]
    step: Count
    images: Count
    seconds: Seconds
    data: dict[str, Any]  # `DataFacts`
    callbacks: dict[str, dict[str, Any]]  # states by callback's name
    # Changes of the settings when the run was resumed; older files have none.
    history: list[Change] = field(default_factory=list, kw_only=True)


class Change(TypedDict):
    """What was changed when a run was resumed: by field, its old and its new value as texts."""

    images: Count
    settings: dict[str, Annotated[list[str], Range(2, 2)]]


class _Attributes(TypedDict, total=False):
    """What headers of data with attributes have; older files have none."""

    attributes: Annotated[list[Attribute], Range(0, MAX_ATTRIBUTES)]


class DataFacts(_Attributes):
    """The description of a run's data in a header."""

    name: str
    fingerprint: str
    classes: Annotated[list[Annotated[str, Range(0, 1000)]], Range(0, 65_536)]
    shape: Annotated[list[Annotated[int, Range(1, 65_536)]], Range(3, 3)]  # height, width, channels


@dataclass(frozen=True)
class _Stored(Header):
    """A header as it is written."""

    groups: list[str]
    sha256: dict[str, str] = field(default_factory=dict)  # by group; older files have none


def save(path: Path, groups: Groups, header: Header) -> None:
    """Write a checkpoint; an old file at `path` stays until the new one is complete."""
    from safetensors.numpy import save as pack

    packed = {
        group: {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        for group, arrays in groups.items()
    }
    hashes = {group: _hash(arrays) for group, arrays in packed.items()}
    stored = _Stored(**vars(header), groups=list(groups), sha256=hashes)
    about = json.dumps({"format": FORMAT, **dataclasses.asdict(stored)})
    tensors = {
        f"{group}/{name}": x for group, arrays in packed.items() for name, x in arrays.items()
    }
    content = pack(tensors, metadata={"ganbaru": about})
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # or a power cut could leave the new name on an empty file


def _hash(arrays: dict[str, np.ndarray]) -> str:
    """Return the SHA-256 of tensors' names, types, shapes and numbers, sorted by name."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        packed = np.ascontiguousarray(array)
        digest.update(f"{name} {packed.dtype.str} {packed.shape}\n".encode())
        digest.update(packed.data)
    return digest.hexdigest()


def load(
    path: Path, only: Collection[str] | None = None, *, verify: bool = True
) -> tuple[Groups, Header]:
    """Read a checkpoint's header and tensors, those of the groups `only` if given.

    Raises InputError for a missing, truncated, changed or foreign file, and for NaN and infinity.
    Without `verify` the tensors are not compared with the SHA-256 in the header.
    """
    from safetensors import SafetensorError, safe_open

    if path.exists() and not path.is_file():  # opening a FIFO would wait
        raise InputError(f"Cannot read the checkpoint {path}: it is no regular file.")
    try:
        with safe_open(path, framework="numpy") as file:
            stored = _header(path, (file.metadata() or {}).get("ganbaru", ""))
            groups: Groups = {name: {} for name in stored.groups if only is None or name in only}
            for key in file.keys():  # noqa: SIM118
                group, _, name = key.partition("/")
                if group in groups:
                    groups[group][name] = _tensor(path, file, key)
    except FileNotFoundError as error:
        raise InputError(f"There is no checkpoint at {path}.") from error
    except OSError as error:
        raise InputError(
            f"Cannot read the checkpoint {path}: {error.strerror or error}."
        ) from error
    except SafetensorError as error:
        raise _damaged(path, f"or cut short ({error})") from error
    for group, digest in stored.sha256.items() if verify else ():
        if group in groups and digest != _hash(groups[group]):
            raise _damaged(path, f"({group}'s tensors do not have the SHA-256 in its header)")
    return groups, Header(**{each.name: getattr(stored, each.name) for each in _FIELDS})


_FIELDS = dataclasses.fields(Header)


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"The checkpoint {path} is damaged {why}. {_FIX}")


def _tensor(path: Path, file: Any, key: str) -> np.ndarray:
    """Read a tensor; raises InputError for a foreign type, NaN and infinity."""
    dtype = file.get_slice(key).get_dtype()
    if dtype not in DTYPES:
        raise _damaged(path, f"({key} is of the type {dtype}, not {', '.join(DTYPES)})")
    array: np.ndarray = file.get_tensor(key)
    if bad := array.size - np.count_nonzero(np.isfinite(array)):
        raise _damaged(path, f"({bad:,} of {array.size:,} numbers in {key} are NaN or infinite)")
    return array


class _Version(TypedDict):
    """What headers of all versions have."""

    format: Annotated[int, Range(1)]
    version: str


def _header(path: Path, text: str) -> _Stored:
    where = f"{path} is a safetensors file, but no checkpoint of ganbaru's or a damaged one: header"
    about = records.parse(text, dict, where, _FIX)
    found = records.check(about, _Version, where, _FIX)
    if about.pop("format") > FORMAT:
        raise InputError(
            f"The checkpoint {path} was written by ganbaru {found['version']}, which is newer "
            f"than this one. Install that version or a later one: {pip_install('-U', 'ganbaru')}"
        )
    if "reports" in about:  # format 1
        about["callbacks"] = {"log": {"reports": about.pop("reports")}}
    stored = records.check(about, _Stored, where, _FIX)
    classes = records.check(stored.data, DataFacts, where, _FIX, "data")["classes"]
    if len({*classes}) < len(classes):
        raise InputError(f"{where}: $.data.classes has a name twice. {_FIX}")
    try:
        from_file({name: typed(name, value) for name, value in stored.config.items()}, path)
    except InputError as error:
        raise InputError(f"{where}: $.config: {error} {_FIX}") from error
    return stored


def state(run: Path, name: str, found: dict[str, Any], kind: type[T]) -> T:
    """Return a callback's state from the newest header of a run; raises InputError."""
    return records.check(found, kind, f"The newest checkpoint of {run}", _FIX, "callbacks", name)


def found(folder: Path) -> list[Path]:
    """List a folder's numbered checkpoints, oldest first; best.safetensors is not among them."""
    return sorted(path for path in folder.glob("*.safetensors") if path.stem.isdecimal())


def shapes(groups: Mapping[str, Mapping[str, Any]]) -> Shapes:
    """Return the shapes of tensors by group and name."""
    return {
        group: {name: x.shape for name, x in arrays.items()} for group, arrays in groups.items()
    }


def check_fits(path: Path, loaded: Groups, expected: Shapes) -> None:
    """Raise InputError unless the expected groups were loaded: names, shapes, floating types."""
    for group, wanted in expected.items():
        present = loaded.get(group, {})
        for name in sorted(present.keys() | wanted.keys()):
            got = present[name].shape if name in present else "nothing"
            want = wanted.get(name, "nothing")
            if got != want:
                raise InputError(
                    f"The checkpoint {path} is of another architecture: {group}/{name} is {got} "
                    f"there and {want} in the configured network. Use the run's own settings, or "
                    f"another --run."
                )
            if present[name].dtype.kind != "f":
                raise _damaged(path, f"({group}/{name} is of the type {present[name].dtype})")
