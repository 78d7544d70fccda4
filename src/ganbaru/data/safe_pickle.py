"""Reading the pickles that CIFAR-10 is published in, without letting a pickle run anything."""

from __future__ import annotations

import io
import pickle

import numpy as np
from numpy.typing import NDArray

from ganbaru.errors import InputError


class Bytes:
    """Stands in for a NumPy array in a pickle: keeps a shape and bytes, calls nothing of NumPy."""

    def __init__(self, *made: object) -> None:
        """Take and ignore what NumPy's own array would be started from."""
        self.array: NDArray[np.uint8] = np.zeros(0, np.uint8)

    def __setstate__(
        self, state: tuple[object, tuple[int, ...], object, bool, str | bytes]
    ) -> None:
        """Fill in (version, shape, type, column order, bytes)."""
        _, shape, _, columns_first, raw = state
        data = raw.encode("latin-1") if isinstance(raw, str) else raw
        values = np.frombuffer(data, np.uint8)
        self.array = values.reshape(shape[::-1]).T if columns_first else values.reshape(shape)


class ByteType:
    """Stands in for a NumPy type in a pickle: bytes are the only one there is."""

    def __init__(self, code: str, *made: object) -> None:
        """Accept the codes of unsigned bytes only."""
        if code not in ("u1", "uint8", "B"):
            raise pickle.UnpicklingError(f"values are {code}, expected bytes (u1)")

    def __setstate__(self, state: object) -> None:
        """Ignore byte order and the like."""


def _encode(text: str, *coding: str) -> bytes:
    return text.encode("latin-1")


_KNOWN = {
    ("numpy.core.multiarray", "_reconstruct"): Bytes,
    ("numpy._core.multiarray", "_reconstruct"): Bytes,
    ("numpy", "ndarray"): Bytes,
    ("numpy", "dtype"): ByteType,
    ("_codecs", "encode"): _encode,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _KNOWN:
            raise _RefusedError(f"{module}.{name}")
        return _KNOWN[module, name]


class _RefusedError(Exception):
    pass


def read(name: str, data: bytes) -> dict[str, object]:
    """Return the dictionary in a pickle that holds only numbers, texts, lists and byte arrays."""
    try:
        # CIFAR's pickles are Python 2's, whose strings hold bytes: Latin-1 keeps each as it is.
        found = _Reader(io.BytesIO(data), encoding="latin-1").load()
    except _RefusedError as error:
        raise InputError(
            f"{name} asks for {error} to be called when it is loaded. CIFAR-10's files do not: "
            f"this one is not genuine and was not loaded. Download it again from the publisher."
        ) from error
    # The unpickler is a small machine; damaged programs for it fail in any way they like.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise InputError(
            f"{name} is damaged or cut off: it cannot be unpickled ({reason}). "
            f"Delete it and copy or download it again."
        ) from error
    if not isinstance(found, dict):
        raise InputError(f"{name} holds a {type(found).__name__}, expected CIFAR-10's dictionary.")
    return {str(key): value for key, value in found.items()}
