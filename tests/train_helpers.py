"""Tiny runs: data, configurations, the command itself, and reading a run's files."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageSequence

from ganbaru import Config, callbacks, train
from ganbaru.cli import main
from ganbaru.config import from_preset
from ganbaru.training import checkpoint, setup
from ganbaru.training.loop import loop
from ganbaru.training.run import Callback, Run

ROOT = Path(__file__).resolve().parents[1]
NO_PLOTS = ROOT / "tests" / "stand_ins_plots"  # matplotlib's stand-in
PATIENCE = 300  # seconds for what takes one or two: a machine may have ten times the work it can do
HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="needs torch, which is not installed")
COMPILED = [
    pytest.param(
        name,
        marks=[
            pytest.mark.compiled,
            pytest.mark.skipif(not importlib.util.find_spec(name), reason=f"needs {name}"),
        ],
    )
    for name in ("tensorflow", "jax")
]
ENGINES = ["numpy", pytest.param("torch", marks=needs_torch), *COMPILED]
needs_posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and terminals")

Lines = list[dict[str, float]]
# The keys of a step's signals for the doctor.
SIGNALS = {"real_accuracy", "fake_accuracy", "diversity",
           *(f"{player}_{of}" for player in "dg" for of in ("gradient", "update"))}  # fmt: skip


# --- runs -------------------------------------------------------------------------------------


def pictures(
    path: Path, *, count: int = 43, side: int = 16, channels: int = 1, classes: int = 3
) -> Path:
    """Write a set of random pictures, labelled in turn unless `classes` is 0."""
    shape = (count, side, side, channels)
    arrays = {"images": np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)}
    if classes:
        arrays["labels"] = np.arange(count) % classes
    np.savez(path, **arrays)
    return path


def divided(folder: Path, *, train: int = 43, test: int = 70, classes: int = 3) -> Path:
    """Write random 16x16 pictures as a folder with training and test images, by class."""
    rng = np.random.default_rng(1)
    for split, count in (("train", train), ("test", test)):
        for i in range(count):
            path = folder / split / "abcdefgh"[i % classes] / f"{i:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(path)
    return folder


def tiny(folder: Path, **options: Any) -> Config:
    """Return a configuration that trains a few thousand parameters on 43 pictures of 16x16."""
    data = folder / "pictures.npz"
    if not data.exists():
        pictures(data)
    base = {"data": data, "image_size": None, "width": 4, "latent": 8, "batch": 8,
            "engine": "numpy",
            "run": folder / "run", "log_every": 24, "sample_every": 40, "steps": 12}  # fmt: skip
    return from_preset("digits", **(base | options))


def trained(folder: Path, **options: Any) -> Path:
    """Train a tiny run in this process, without plots, report and display; returns its folder."""
    skipped = (callbacks.History, callbacks.LossPlot, callbacks.HtmlReport)
    chosen = [each for each in callbacks.standard() if not isinstance(each, skipped)]
    return train(tiny(folder, **options), chosen)


def run_with(config: Config, *called: Callback) -> Run:
    """Train with these callbacks alone; returns the run at its end."""
    run = setup.build(config, called)
    loop(run, lambda: False)
    return run


def newest(run: Path) -> tuple[checkpoint.Groups, checkpoint.Header]:
    return checkpoint.load(checkpoint.found(run / "checkpoints")[-1])


def log(run: Path) -> Lines:
    """Return the lines of a log without what a clock says."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    clock = ("seconds", "images_per_second")
    return [{key: value for key, value in line.items() if key not in clock} for line in lines]


def grids(run: Path) -> dict[int, bytes]:
    """Return the sample grids by their number of images."""
    return {int(path.stem): path.read_bytes() for path in (run / "samples").glob("*.png")}


def films(run: Path) -> dict[str, bytes]:
    """Return the time-lapses, of the whole grid and of each class."""
    paths = [run / "timelapse.gif", *sorted((run / "timelapse").glob("*"))]
    return {path.name: path.read_bytes() for path in paths}


def frames(film: bytes) -> list[np.ndarray]:
    """Return the pictures of a film, RGB."""
    with Image.open(io.BytesIO(film)) as opened:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(opened)]


def assert_same_state(one: Path, other: Path) -> None:
    """Compare two runs' newest checkpoints bit for bit: every tensor of every group."""
    (first, about_first), (second, about_second) = newest(one), newest(other)
    assert first.keys() == second.keys() and "generator_square" in first and "ema_buffers" in first
    for group, arrays in first.items():
        assert arrays.keys() == second[group].keys()
        for name, array in arrays.items():
            twin = second[group][name]
            assert (array.dtype, array.shape) == (twin.dtype, twin.shape)
            assert array.tobytes() == twin.tobytes(), f"{group}/{name}"
    for field in ("step", "images", "data", "callbacks"):
        assert getattr(about_first, field) == getattr(about_second, field)


# --- the command ------------------------------------------------------------------------------


class Said(NamedTuple):
    """What a command returned and printed, paths with slashes on every system."""

    code: int
    out: str
    err: str


def said(code: int, out: str, err: str) -> Said:
    return Said(code, out.replace(os.sep, "/"), err.replace(os.sep, "/"))


def command(*arguments: Any) -> Said:
    """Run the command in this process."""
    out, err, path = io.StringIO(), io.StringIO(), list(sys.path)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main.main([str(argument) for argument in arguments])
    finally:
        sys.path[:] = path  # the command adds the current folder
    return said(code, out.getvalue(), err.getvalue())


def words(*arguments: Any) -> list[str]:
    """Return the command line of the real thing."""
    return [sys.executable, "-m", "ganbaru", *map(str, arguments)]


def without_plots(given: dict[str, str]) -> dict[str, str]:
    """Return a process's environment in which a stand-in takes matplotlib's place."""
    paths = filter(None, [str(NO_PLOTS), given.get("PYTHONPATH", "")])
    return {**given, "PYTHONPATH": os.pathsep.join(paths)}


def process(*arguments: Any, cwd: Path, plots: bool = False, **options: Any) -> Said:
    """Run the command as a process of its own; `plots` says whether a test looks at its plots."""
    given = options.get("env", dict(os.environ))
    options["env"] = given if plots else without_plots(given)
    done = subprocess.run(
        words(*arguments), cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, **options
    )
    return said(done.returncode, done.stdout, done.stderr)


def _default_signals() -> None:
    # A job that a shell put in the background ignores Ctrl-C, and so would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def background(*arguments: Any, cwd: Path, **options: Any) -> Iterator[subprocess.Popen]:
    """Start the command and yield its process, which does not outlive the block, without plots."""
    options["env"] = without_plots(options.get("env", dict(os.environ)))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    if os.name == "posix":
        pipes["preexec_fn"] = _default_signals
    with subprocess.Popen(words(*arguments), cwd=cwd, **pipes) as started:
        try:
            yield started
        finally:
            started.kill()


def limited(size: int) -> dict[str, Any]:
    """Return the options of a process whose writes fail beyond `size` bytes in a file.

    It writes no bytecode: Python 3.11 keeps a file that was cut short, and cannot import it again.
    """
    import resource

    limit = resource.RLIMIT_FSIZE, (size, size)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return {"preexec_fn": lambda: resource.setrlimit(*limit), "env": environment}


def until(
    condition: Callable[[], bool], started: subprocess.Popen, seconds: float = PATIENCE
) -> None:
    """Wait until a condition holds of what a process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if started.poll() is not None:
            raise AssertionError(f"it ended with {started.returncode}: {started.communicate()}")
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def last_images(run: Path) -> int:
    """Return the images of a log's last whole line, 0 before the first."""
    path = run / "log.jsonl"
    text = path.read_text() if path.exists() else ""
    whole = text[: text.rfind("\n") + 1].splitlines()
    return json.loads(whole[-1])["images"] if whole else 0
