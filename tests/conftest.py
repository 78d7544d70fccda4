"""What every test may rely on: one way of drawing examples, a cache of its own, the engines."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import settings

from ganbaru import engines, libraries
from ganbaru.engines import Engine

# The same examples in every run, so that a failure in CI is one at home; no time limit for one.
settings.register_profile("ganbaru", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("ganbaru")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep the user's cache of decoded pictures out of the tests, and the tests out of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANBARU_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=importlib.util.find_spec("torch") is not None)
def one_thread():
    """Hold PyTorch to one thread: two that wait for a busy core make tiny nets 50 times slower."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def engine(name: str, precision: str) -> Engine:
    """Load an engine, or skip the test that needs it."""
    library = engines.LIBRARIES[name]
    if not libraries.installed(library):
        pytest.skip(f"needs {library.module}, which is not installed")
    return engines.load(name, "auto" if name == "cupy" else "cpu", precision)


# Without PyTorch its tests are skipped, saying so; rarer engines are named only if installed.
NAMES = sorted({"torch", *engines.available()})
OTHERS = [name for name in NAMES if name != "numpy"]


@pytest.fixture(scope="session", params=NAMES)
def any_engine(request) -> Engine:
    """Every engine in turn, in float64."""
    return engine(request.param, "float64")


@pytest.fixture(scope="session", params=NAMES)
def any_engine32(request) -> Engine:
    """Every engine in turn, in float32."""
    return engine(request.param, "float32")


@pytest.fixture(scope="session", params=OTHERS)
def other_engine(request) -> Engine:
    """Every engine but NumPy's in turn, in float64."""
    return engine(request.param, "float64")


@pytest.fixture(scope="session", params=OTHERS)
def other_engine32(request) -> Engine:
    """Every engine but NumPy's in turn, in float32."""
    return engine(request.param, "float32")
