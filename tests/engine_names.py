"""The engines that tests run on."""

from __future__ import annotations

import pytest

from ganbaru import engines
from ganbaru.engines import Engine, requirements

# Without PyTorch its tests are skipped, saying so; rarer engines are named only if installed.
NAMES = sorted({"torch", *engines.available()})
# Each of these takes half a second to compile what others run in a millisecond. So they have the
# tests that ask for every engine, and the others with: pytest -m "compiled or not compiled".
COMPILED = ("jax", "tensorflow")


def engine(name: str, precision: str) -> Engine:
    """Load an engine, or skip the test that needs it."""
    library = engines.LIBRARIES[name]
    if not requirements.installed(library):
        pytest.skip(f"needs {library.module}, which is not installed")
    return engines.load(name, "auto" if name == "cupy" else "cpu", precision)
