"""The memory of this process and of this machine."""

from __future__ import annotations

import os
import sys


def peak() -> int | None:
    """Return the largest memory of this process so far, in bytes; None where unknown (Windows)."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def installed() -> int | None:
    """Return the memory of this machine in bytes, None where unknown (Windows)."""
    if sys.platform == "win32":
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
