"""Speed of a device: its ceilings, plain code, and our steps in every precision."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from ganbaru import engines
from ganbaru.engines import Engine
from ganbaru.gan import step
from ganbaru.gan.prefetch import prefetched

from . import flops
from .games import gan, random_images
from .scale import Size
from .serve import peak as process_peak

Row = dict[str, Any]


def _torch_peak(device: str) -> float:
    import torch

    return torch.cuda.max_memory_allocated(device)


def _cupy_peak(device: str) -> float:
    import cupy

    return cupy.get_default_memory_pool().total_bytes()


def _jax_peak(device: str) -> float:
    import jax

    index = int(device.partition(":")[2] or 0)
    return jax.devices("cuda")[index].memory_stats()["peak_bytes_in_use"]


def _tensorflow_peak(device: str) -> float:
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


PEAKS: dict[str, Callable[[str], float]] = {
    "torch": _torch_peak, "cupy": _cupy_peak, "jax": _jax_peak, "tensorflow": _tensorflow_peak,
}  # fmt: skip


def peak(name: str, device: str) -> float:
    """Return the peak memory so far in MiB, that of the latest batch size, as they grow."""
    if device == "cpu":
        return process_peak()
    return PEAKS[name](device) / 2**20


def _synchronise() -> None:
    """Wait for PyTorch's GPU, if there is one."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


# --- ceilings ---------------------------------------------------------------------------------


def _rate(work: Callable[[], Any], amount: float, seconds: float = 0.5) -> float:
    """Return `amount` per second of repeated work, after a warm-up."""
    work()
    _synchronise()
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for _ in range(5):
            work()
        _synchronise()
        count += 5
    return count * amount / (time.perf_counter() - began)


def ceilings(device: str, side: int, megabytes: int) -> Row:
    """Measure products in float32, TF32 and bfloat16 (FLOP/s) and a copy (bytes/s)."""
    import torch

    x = torch.randn(side, side, device=device)
    half = x.bfloat16()
    source = torch.ones(megabytes * 2**18, device=device)
    target, count = torch.empty_like(source), 2.0 * side**3
    found = {"float32": _rate(lambda: x @ x, count)}
    torch.set_float32_matmul_precision("high")
    found["TF32"] = _rate(lambda: x @ x, count)
    torch.set_float32_matmul_precision("highest")
    found["bf16"] = _rate(lambda: half @ half, count)
    # A copy reads a byte and writes a byte.
    found["copy"] = _rate(lambda: target.copy_(source), 2.0 * source.nbytes)
    return found


# --- steps ------------------------------------------------------------------------------------


class Way(NamedTuple):
    """A way to train: engine, precision, --fast or not, and the `ceiling` that limits it."""

    engine: str
    precision: str
    fast: bool
    ceiling: str


WAYS = {
    "torch, --no-fast": Way("torch", "float32", False, "float32"),
    "torch, fast, TF32": Way("torch", "float32", True, "TF32"),
    "torch, fast, bf16": Way("torch", "bf16", True, "bf16"),
    "jax, --no-fast": Way("jax", "float32", False, "float32"),
    "jax, fast": Way("jax", "float32", True, "TF32"),
    "tensorflow, --no-fast": Way("tensorflow", "float32", False, "float32"),
    "tensorflow, fast": Way("tensorflow", "float32", True, "TF32"),
    "cupy": Way("cupy", "float32", False, "float32"),
}
BEST = "torch, fast, bf16"


def ours(engine: Engine, size: Size) -> Iterator[float]:
    """Yield, after each of our steps, the seconds that it waited for its batch.

    As in the training loop, nothing is read back from the GPU.
    """
    config = flops.config(size)
    images = random_images(max(1024, 2 * size.batch), (size.size, size.size, size.channels))
    made, draw, state = gan(engine, config, images)
    drawing = prefetched(draw)
    played = engine.compile(partial(step.train_step, made), consumes=True)
    number = 0
    while True:
        began = time.perf_counter()
        batches = drawing.step(number)
        waited = time.perf_counter() - began
        state, _ = played(state, batches, step.step_schedule(made, number, 1))
        number += 1
        yield waited


def plain(module: str, device: str, size: Size) -> Iterator[float]:
    """Yield after each step of plain PyTorch on the device.

    It uses PyTorch's default settings, and `cudnn.benchmark` as the official example has it.
    """
    import torch

    own = partial(
        torch.backends.cudnn.flags,
        enabled=True, benchmark=True, deterministic=False, allow_tf32=True,
    )  # fmt: skip
    with torch.device(device):
        advance = importlib.import_module(f"bench.plain.{module}").step(*size)
    while True:
        with torch.device(device), own():
            advance()
        yield 0.0


def timed(steps: Iterator[float], wait: Callable[[], None], warm: int, seconds: float) -> Row:
    """Time consecutive steps; `wait` synchronises with the device, only at both ends."""
    for _ in range(warm):
        next(steps)
    wait()
    count, waited, began = 0, 0.0, time.perf_counter()
    while time.perf_counter() - began < seconds or count < 3:
        waited += next(steps)
        count += 1
    wait()
    took = time.perf_counter() - began
    return {"seconds": took / count, "steps": count, "waiting": waited / took}


def speed(name: str, device: str, size: Size, limits: Row, seconds: float) -> Row:
    """Time our step in one way, as a fraction of the ceilings."""
    way = WAYS[name]
    engine = engines.load(way.engine, device, way.precision, way.fast)
    row = timed(ours(engine, size), engine.synchronise, 6, seconds)
    row["peak MiB"] = peak(way.engine, device)
    return _row(name, size, row, limits, way.ceiling)


def plain_speed(name: str, device: str, size: Size, limits: Row, seconds: float) -> Row:
    """Time plain code: ``pytorch_example``, ``pytorch`` or ``pytorch_tuned``."""
    row = timed(plain(name, device, size), _synchronise, 6, seconds)
    return _row(f"bench/plain/{name}.py", size, row, limits, "TF32")


def _row(name: str, size: Size, row: Row, limits: Row, ceiling: str) -> Row:
    cost = flops.step(size, shared=name.endswith("example.py"))
    first = {"": name, "batch": size.batch, "images/s": size.batch / row["seconds"]}
    return {
        **first, **row,
        "TFLOP/s": cost.flops / row["seconds"] / 1e12,
        f"of {ceiling} product": cost.flops / row["seconds"] / limits[ceiling],
        "of copy": cost.bytes / row["seconds"] / limits["copy"],
    }  # fmt: skip
