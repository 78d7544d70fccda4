"""A stand-in for CuPy: NumPy behind CuPy's names and manners, for machines without a GPU.

What CuPy refuses, this refuses: turning an array into NumPy's without being asked, mixing the two,
functions that CuPy lacks, an array of another GPU than the thread's current one. Stricter than
CuPy, it also refuses NumPy's own functions on its arrays, since each must be meant. Like CuPy,
operations return 0-d arrays instead of numbers, and new arrays in C order whatever their inputs'
layout is.
"""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import numpy as _np

__version__ = "13.0.0"
GPUS = 2

_here = threading.local()


def _current() -> int:
    return getattr(_here, "device", 0)


class ndarray:  # noqa: N801
    """An array "on a GPU"."""

    __slots__ = ("device", "hidden")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, values: Any) -> None:
        self.hidden = _np.asarray(values)
        self.device = _current()

    shape = property(lambda self: self.hidden.shape)
    dtype = property(lambda self: self.hidden.dtype)
    ndim = property(lambda self: self.hidden.ndim)
    size = property(lambda self: self.hidden.size)
    strides = property(lambda self: self.hidden.strides)
    T = property(lambda self: ndarray(self.hidden.T))

    def __array__(self, *ignored: Any, **options: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_function__(self, function: Any, *ignored: Any) -> Any:
        raise TypeError(f"NumPy's own {function.__name__} was called on an array of the GPU")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if options or not any(isinstance(x, _np.generic) for x in inputs):
            raise TypeError(f"NumPy's own {ufunc.__name__} was called on an array of the GPU")
        return _called(ufunc, *inputs)

    def __len__(self) -> int:
        return len(self.hidden)

    def __float__(self) -> float:
        return float(self.hidden)

    def __bool__(self) -> bool:
        return bool(self.hidden)

    def __getitem__(self, index: Any) -> ndarray:
        return ndarray(_own(self)[_index(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        _own(self)[_index(index)] = _own(value)

    def reshape(self, *shape: Any) -> ndarray:
        return ndarray(self.hidden.reshape(*shape))

    def transpose(self, *axes: Any) -> ndarray:
        return ndarray(self.hidden.transpose(*axes))

    def astype(self, dtype: Any) -> ndarray:
        return ndarray(_own(self).astype(dtype))

    def copy(self) -> ndarray:
        return ndarray(_own(self).copy())

    def sum(self, axis: Any = None, keepdims: bool = False) -> ndarray:
        return _new(_own(self).sum(axis=axis, keepdims=keepdims))


def _own(x: Any) -> Any:
    """Return what NumPy computes with; refuse what a kernel of CuPy's would."""
    if isinstance(x, ndarray):
        if x.device != _current():
            raise ValueError(
                f"Array device must be same as the current device: array device = {x.device} "
                f"while current = {_current()}"
            )
        return x.hidden
    if isinstance(x, (list, tuple)):
        return type(x)(map(_own, x))
    if isinstance(x, _np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    return x


def _new(values: Any) -> ndarray:
    return ndarray(_np.array(values, order="C"))


def _index(index: Any) -> Any:
    return _own(index)


def _called(function: Any, *inputs: Any, out: ndarray | None = None, **options: Any) -> ndarray:
    given = _own(list(inputs))
    if out is None:
        return _new(function(*given, **options))
    function(*given, out=_own(out), **options)
    return out


def _taken_over(name: str) -> Any:
    function = getattr(_np, name)
    return lambda *inputs, **options: _called(function, *inputs, **options)


# Only what CuPy has too; a name that is missing here is looked up in its documentation first.
for _name in (
    "abs", "arange", "concatenate", "divide", "einsum", "exp", "eye", "greater", "log", "log1p",
    "matmul", "max", "maximum", "multiply", "ones", "pad", "sqrt", "subtract", "sum", "tanh",
    "where", "zeros",
):  # fmt: skip
    globals()[_name] = _taken_over(_name)

_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power",
    "matmul": "matmul",
}  # fmt: skip
_ONE_WAY = {
    "gt": "greater", "lt": "less", "ge": "greater_equal", "le": "less_equal", "eq": "equal",
    "neg": "negative", "invert": "invert",
}  # fmt: skip


def _operator(ufunc: Any) -> Any:
    def call(*inputs: Any) -> Any:
        # NEP 13, which CuPy follows: who has opted out is asked for its own operator.
        if any(getattr(x, "__array_ufunc__", 0) is None for x in inputs):
            return NotImplemented
        return _called(ufunc, *inputs)

    return call


def _reflected(ufunc: Any) -> Any:
    return lambda x, y: _called(ufunc, y, x)


def _in_place(ufunc: Any) -> Any:
    return lambda x, y: _called(ufunc, x, y, out=x)


for _name, _of in {**_OPERATORS, **_ONE_WAY}.items():
    setattr(ndarray, f"__{_name}__", _operator(getattr(_np, _of)))
for _name, _of in _OPERATORS.items():
    setattr(ndarray, f"__r{_name}__", _reflected(getattr(_np, _of)))
    setattr(ndarray, f"__i{_name}__", _in_place(getattr(_np, _of)))


def asarray(values: Any) -> ndarray:
    """Copy to the GPU; what is there stays."""
    return values if isinstance(values, ndarray) else ndarray(_np.array(values))


def asnumpy(x: Any) -> Any:
    """Fetch."""
    return _own(x).copy()


def ascontiguousarray(x: ndarray) -> ndarray:
    return ndarray(_np.ascontiguousarray(_own(x)))


def broadcast_to(x: ndarray, shape: Any) -> ndarray:
    return ndarray(_np.broadcast_to(_own(x), shape))


def empty(shape: Any, dtype: Any = float) -> ndarray:
    """Memory as it was found, which may well be NaN."""
    return ndarray(_np.full(shape, _np.nan, dtype))


def empty_like(x: ndarray) -> ndarray:
    return ndarray(_np.full_like(_own(x), _np.nan))


def ones_like(x: ndarray) -> ndarray:
    return ndarray(_np.ones_like(_own(x)))


def zeros_like(x: ndarray) -> ndarray:
    return ndarray(_np.zeros_like(_own(x)))


def _add_at(x: ndarray, index: Any, values: Any) -> None:
    _np.add.at(_own(x), _index(index), _own(values))


add = _taken_over("add")
add.at = _add_at


def _as_strided(x: ndarray, shape: Any, strides: Any) -> ndarray:
    return ndarray(_np.lib.stride_tricks.as_strided(_own(x), shape, strides))


lib = SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=_as_strided))


# --- cupy.cuda --------------------------------------------------------------------------------


class CUDARuntimeError(RuntimeError):
    """What the driver says."""


class Device:
    """A GPU; each thread has its own current one."""

    def __init__(self, index: int) -> None:
        self.index = index

    def use(self) -> None:
        _here.device = self.index


def _count() -> int:
    if not GPUS:
        raise CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
    return GPUS


cuda = SimpleNamespace(
    Device=Device,
    get_current_stream=lambda: SimpleNamespace(synchronize=lambda: None),
    runtime=SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=_count,
        getDeviceProperties=lambda index: {"name": f"Stand-in {index}".encode()},
    ),
)


def get_default_memory_pool() -> Any:
    return SimpleNamespace(total_bytes=lambda: 0, free_all_blocks=lambda: None)
