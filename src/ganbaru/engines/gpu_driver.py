"""The number of GPUs, from the driver itself: no framework is imported for it."""

from __future__ import annotations

import ctypes
import functools
import os


@functools.cache
def count() -> int:
    """Return the number of NVIDIA GPUs that this process may use ($CUDA_VISIBLE_DEVICES counts).

    Takes a millisecond without a driver; importing PyTorch to count them takes two seconds.
    """
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return 0
    return _count(driver)


def _count(driver: ctypes.CDLL) -> int:
    found = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(found)):  # an error's number
        return 0
    return found.value
