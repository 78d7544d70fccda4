"""Freed memory stays with a configured process: a step gets what the last one freed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ganbaru.engines import malloc

CODE = """
import resource, sys
import numpy as np
from ganbaru import engines
engine = engines.load("numpy", "cpu")
if sys.argv[1] == "configured":
    engines.configure_process(engine)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        x = [np.ones(1 << 18, np.float64) for _ in range(20)]
        del x
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()  # the first round asks for the memory
print(faults())
"""


def faults(way: str) -> int:
    """Count the page faults of eight rounds that take 40 MB (10,240 pages) and free them."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", CODE, way], capture_output=True, text=True,
                          check=True, env=clean)  # fmt: skip
    return int(done.stdout)


@pytest.mark.skipif(not malloc.keep_freed(), reason="needs the GNU allocator, to tune it")
def test_a_configured_process_keeps_freed_memory_and_another_does_not():
    assert faults("configured") < 1000 < faults("loaded")
