"""Reading the pickles that CIFAR-10 is published in, without running any code of theirs."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from ganbaru.data.formats.restricted_pickle import RefusedError, RestrictedUnpickler
from ganbaru.data.source import Images, Labels, damaged
from ganbaru.errors import InputError

MAX_CALLS, MAX_OPERATIONS = 64, 2**18  # of a pickle


class _Array:
    """Replaces a NumPy array of bytes in a pickle: takes shape and bytes, calls no code of it."""

    def __init__(self, *arguments: object) -> None:
        self.array: NDArray[np.uint8] = np.zeros(0, np.uint8)

    def __setstate__(
        self, state: tuple[object, tuple[int, ...], object, bool, str | bytes]
    ) -> None:
        _, shape, _, columns_first, raw = state
        data = raw.encode("latin-1") if isinstance(raw, str) else raw
        values = np.frombuffer(data, np.uint8)
        self.array = values.reshape(shape[::-1]).T if columns_first else values.reshape(shape)


class _ByteType:
    """Replaces a NumPy type in a pickle: unsigned bytes, or an error."""

    def __init__(self, code: str, *arguments: object) -> None:
        if code not in ("u1", "uint8", "B"):
            raise pickle.UnpicklingError(f"values are {code}, expected bytes (u1)")

    def __setstate__(self, state: object) -> None:
        """Ignore byte order and the like."""


class _Encode:
    """Replaces the function that encodes texts; without attributes that a pickle could set."""

    __slots__ = ()

    def __call__(self, text: str, *coding: str) -> bytes:
        return text.encode("latin-1")


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _ByteType,
    ("_codecs", "encode"): _Encode(),
}


def _check_program(data: bytes) -> None:
    """Refuse a pickle that takes much more memory than its bytes, before it is run.

    A published batch has 3 calls and 31,000 operations. The memo grows to the largest number that
    an entry is stored under, whatever the number of entries.
    """
    calls = 0
    for count, (code, argument, _) in enumerate(pickletools.genops(data)):
        calls += code.name in ("REDUCE", "BUILD", "NEWOBJ", "NEWOBJ_EX", "INST", "OBJ")
        stored = argument if code.name in ("PUT", "BINPUT", "LONG_BINPUT") else 0
        if calls > MAX_CALLS or count > MAX_OPERATIONS or (stored or 0) > count:
            raise pickle.UnpicklingError("more calls or entries than a batch has")


def read(name: str, data: bytes, key: str = "labels") -> tuple[Images, Labels]:
    """Return the pixels and labels of a pickle of numbers, texts, lists and byte arrays alone."""
    with _faults(name):
        # CIFAR's pickles are Python 2's, whose strings hold bytes: Latin-1 keeps each as it is.
        _check_program(data)
        found = RestrictedUnpickler(io.BytesIO(data), _ALLOWED, "latin-1").load()
        pixels, labels = found["data"], found[key]
        numbers = isinstance(labels, list) and all(type(label) is int for label in labels)
        if not isinstance(pixels, _Array) or not numbers:
            raise TypeError(f"its 'data' and {key!r} are no array of bytes and list of numbers")
        return pixels.array, np.array(labels, np.int64)


def names(name: str, data: bytes, key: str) -> tuple[str, ...]:
    """Return the class names in a pickle of texts and lists alone."""
    with _faults(name):
        _check_program(data)
        return tuple(map(str, RestrictedUnpickler(io.BytesIO(data), {}, "latin-1").load()[key]))


@contextmanager
def _faults(name: str) -> Iterator[None]:
    """Turn what unpickling raises into one error."""
    try:
        yield
    except RefusedError as error:
        raise InputError(
            f"{name} calls {error} when it is loaded. CIFAR-10's files do not: this one is not "
            f"genuine and was not loaded. Download it again from the publisher."
        ) from error
    # The unpickler is a small machine; damaged programs for it fail with any exception.
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error)[:80]}"
        raise damaged(name, f"not a batch of CIFAR-10: {reason}") from error
