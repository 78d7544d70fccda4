"""HDF5 files (.h5, MATLAB 7.3) by h5py, an extra, and MATLAB 5 files by SciPy: arrays by key.

Only plain arrays of numbers are read, and names of classes; external files, views of other files
and filters that would be loaded as plug-ins are refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.data import claims
from ganbaru.data.formats import keyed
from ganbaru.data.picture_file import brief
from ganbaru.data.source import Original, Samples, Want, damaged
from ganbaru.errors import InputError, missing_extra

HDF5, MATLAB_HDF5, MATLAB = b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3", b"MATLAB 5.0"
MAX_KEYS = 10_000
FILTERS = {1, 2, 3, 4, 5, 6, 32000}  # HDF5's own, and h5py's LZF
# Bytes of a number of MATLAB's classes.
CLASSES = {"double": 8, "single": 4, "int64": 8, "uint64": 8, "int32": 4, "uint32": 4}
CLASSES |= {"int16": 2, "uint16": 2, "int8": 1, "uint8": 1, "logical": 1}


def recognize(path: Path, head: bytes, want: Want) -> Original | None:
    """Return the images of an HDF5 or MATLAB file; test images may be in the file beside it."""
    if not head.startswith((HDF5, MATLAB_HDF5, MATLAB)):
        return None
    beside = path.with_name(path.name.replace("train", want.split))
    if want.split in keyed.WORDS and "train" in path.name and beside != path and beside.is_file():
        path, want = beside, replace(want, split="auto")
    if head.startswith(MATLAB):
        with _matlab(path) as shapes:
            return keyed.original(path, want, shapes, partial(_read_matlab, path))
    turned = head.startswith(MATLAB_HDF5)
    with _hdf5(path) as file:
        keys = _keys(file)
    return keyed.original(path, want, keys, partial(_read_hdf5, path, keys, turned))


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    """Turn what the libraries raise for damaged files into one error."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise damaged(path, brief(error)) from error


# --- HDF5 ---------------------------------------------------------------------------------------


@contextmanager
def _hdf5(path: Path) -> Iterator[Any]:
    try:
        import h5py
    except ImportError as error:
        otherwise = "Or save its arrays with numpy.savez('data.npz', images=..., labels=...)."
        raise missing_extra(f"{path} is an HDF5 file: it needs h5py", "hdf5", otherwise) from error
    with _faults(path), h5py.File(path, "r") as file:
        yield file


def _keys(file: Any) -> list[str]:
    """Return the names of arrays; links are not followed."""
    found: list[str] = []

    def visit(name: str, item: Any) -> bool | None:
        if hasattr(item, "dtype") and not name.startswith("#"):
            found.append(name)
        return True if len(found) > MAX_KEYS else None

    file.visititems(visit)
    return found


def _read_hdf5(path: Path, keys: list[str], turned: bool, chosen: keyed.Keys) -> Samples:
    with _hdf5(path) as file:

        def read(key: str) -> NDArray[Any]:
            item = file[key]
            plan = item.id.get_create_plist()
            filters = {plan.get_filter(k)[0] for k in range(plan.get_nfilters())}
            if item.external or item.is_virtual or not filters <= FILTERS:
                raise InputError(
                    f"{path}: {key!r} is in other files or needs a plug-in, so it is not read. "
                    f"Save it as a plain array."
                )
            text = item.dtype.kind == "O" and item.dtype.metadata and "vlen" in item.dtype.metadata
            if item.dtype.kind not in "buifS" and not text:
                raise InputError(f"{path}: {key!r} holds {item.dtype}; expected numbers.")
            claims.require(math.prod(item.shape) * item.dtype.itemsize, path.stat().st_size)
            values: NDArray[Any] = np.asarray(item[()])
            return values.T if turned else values

        orient = _turned if turned else None
        return keyed.samples(path, chosen, keys, read, "HDF5 labels", orient)


# --- MATLAB -------------------------------------------------------------------------------------


@contextmanager
def _matlab(path: Path) -> Iterator[dict[str, int]]:
    """Yield the bytes of each array of numbers in a file by name."""
    from scipy.io import whosmat

    with _faults(path):
        listed = whosmat(str(path))
        yield {
            name: math.prod(shape) * CLASSES[kind]
            for name, shape, kind in listed
            if kind in CLASSES
        }


def _read_matlab(path: Path, chosen: keyed.Keys) -> Samples:
    from scipy.io import loadmat

    with _matlab(path) as sizes:

        def read(key: str) -> NDArray[Any]:
            claims.require(sizes[key], path.stat().st_size)
            return np.asarray(loadmat(str(path), variable_names=[key])[key])

        made = keyed.samples(path, chosen, sizes, read, "MATLAB labels", _turned)
    if path.stem.endswith("_32x32") and made.classes == tuple(map(str, range(1, 11))):
        assert made.labels is not None
        numbers = (made.labels + 1) % 10  # SVHN's label of the digit 0 is 10
        return replace(made, labels=numbers, classes=tuple("0123456789"))
    return made


def _turned(images: NDArray[Any], labels: NDArray[Any] | None) -> tuple[Any, Any]:
    """Return MATLAB's images (H, W, C, N) and labels (N, 1) as (N, H, W, C) and (N,)."""
    labels = None if labels is None else labels.reshape(-1)
    first = labels is not None and images.shape[:1] == labels.shape != images.shape[-1:]
    return (images if first or images.ndim < 3 else np.moveaxis(images, -1, 0)), labels
