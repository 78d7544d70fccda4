"""What every test may rely on: one way of drawing examples, a cache of its own, the engines."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Before NumPy is imported, and for the processes that tests start: idle threads spin, which took 6
# times the work of small products.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Handing parts of a tiny net's step to a second thread took a fifth of all trainings' time; tests
# of what threads do have `several_threads`, or a process of its own.
os.environ.setdefault("GANBARU_THREADS", "1")
# Help under a Japanese locale is Japanese; tests of that have their own variables.
os.environ["GANBARU_LANG"] = "en"
# TensorFlow imports Keras, scikit-learn and JAX at its end, for 3 s; this names another Keras,
# which is not installed, and no test needs any.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
# Tiny networks take longer to compile than to run: XLA's own costly passes are left out.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
)

from engine_names import COMPILED, NAMES, engine
from PIL import Image

from ganbaru import engines, errors, files, ops
from ganbaru.callbacks import plots
from ganbaru.engines import Engine
from ganbaru.engines.numpy import parallel

DRAW = plots.draw
# The same examples in every run, so that a failure in CI is one at home; no time limit for one.
settings.register_profile("ganbaru", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("ganbaru")
engines.own_process()  # as in a command
# Some two hundred processes would each compile our modules without it: 0.5 s of processor time.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Schedule by file, but all files that use TensorFlow or JAX on one worker.

    It alone imports them, in 6 and 1.3 s of processor time.
    """
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if not hasattr(self, "compiling"):
                using = [each for each in self.collection or () if any(x in each for x in COMPILED)]
                self.compiling = set(map(super()._split_scope, using))
            file: str = super()._split_scope(nodeid)
            return "compiled" if file in self.compiling else file

    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def _worker(config: pytest.Config) -> tuple[str, Path]:
    """Return the name of this worker and the file that the first one writes when it has collected.

    The name is "" without pytest-xdist.
    """
    about = getattr(config, "workerinput", {})
    file = Path(tempfile.gettempdir()) / f"ganbaru-tests-{about.get('testrunuid')}"
    return about.get("workerid", ""), file


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """In a fresh checkout, let the first worker alone rewrite the assertions, for all.

    It takes 8.5 of the 20 s of processor time in which 158 files are collected.
    """
    worker, file = _worker(session.config)
    fresh = not (Path(__file__).parent / "training" / "__pycache__").exists()  # collected last
    deadline = time.monotonic() + 120
    if fresh and worker not in ("", "gw0"):
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave the modules and the tests, a million objects, to no later garbage collection."""
    worker, file = _worker(session.config)
    if worker == "gw0":
        file.touch()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the first worker's file."""
    worker, file = _worker(config)
    if worker == "gw0":
        file.unlink(missing_ok=True)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep the user's cache of decoded pictures out of the tests, and the tests out of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANBARU_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def terms_of_commands():
    """Compare messages as commands print them; `test_python_errors` has those of Python."""
    with errors.as_flags():
        yield


@pytest.fixture(scope="session", autouse=True)
def blank_plots():
    """Write plots of one pixel: matplotlib takes 0.8 s to import and 0.2 s a plot.

    Tests of what is drawn have `real_plots`.
    """

    def draw(charts: Any, path: Path, **_: Any) -> None:
        with files.replacing(path) as temporary:
            Image.new("L", (1, 1)).save(temporary, "PNG")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "draw", draw)
        yield


@pytest.fixture
def real_plots(monkeypatch):
    """Draw plots."""
    monkeypatch.setattr(plots, "draw", DRAW)


@pytest.fixture(autouse=True)
def own_dispatch():
    """Return a library's tensors to its engine, where a test has loaded another one for them."""
    yield
    roots = list(ops._replaced)
    ops._replaced.clear()
    ops._forget(roots)


@pytest.fixture(scope="session", autouse=importlib.util.find_spec("torch") is not None)
def one_thread():
    """Hold PyTorch to one thread: two that wait for a busy core make tiny nets 50 times slower."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def several_threads(monkeypatch):
    """Let the NumPy engine use three threads."""
    with ThreadPoolExecutor(2) as helpers:
        monkeypatch.setattr(parallel, "thread_count", lambda: 3)
        monkeypatch.setattr(parallel, "_helpers", lambda: helpers)
        yield


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory) -> Callable[..., Path]:
    """Return a function that trains a tiny run once for each set of options; only read its folder.

    The options are those of `train_helpers.tiny`.
    """
    from train_helpers import trained

    runs: dict[str, Path] = {}

    def run(**options: Any) -> Path:
        key = repr(sorted(options.items()))
        if key not in runs:
            runs[key] = trained(tmp_path_factory.mktemp("trained"), **options)
        return runs[key]

    return run


def _engines(precision: str, *without: str, every: bool = False) -> Any:
    """Return a fixture that gives one engine after the other."""
    names = [
        pytest.param(name, marks=[pytest.mark.compiled] * (name in COMPILED and not every))
        for name in NAMES
        if name not in without
    ]

    @pytest.fixture(scope="session", params=names)
    def each(request: pytest.FixtureRequest) -> Engine:
        return engine(request.param, precision)

    return each


any_engine, any_engine32 = _engines("float64"), _engines("float32")
other_engine, other_engine32 = _engines("float64", "numpy"), _engines("float32", "numpy")
every_engine, every_engine32 = (_engines(p, every=True) for p in ("float64", "float32"))
