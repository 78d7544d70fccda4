"""Checks of what goes wrong on a GPU alone: refused recordings, TF32, constants, memory."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from ganbaru import engines, ops
from ganbaru.config import Config
from ganbaru.engines import Engine
from ganbaru.engines.torch import indexing
from ganbaru.engines.torch.cuda_graph import Recorder
from ganbaru.gan import step

from .games import gan, random_images

Row = dict[str, Any]
SLACK = 64 * 2**20  # bytes by which the reserved memory may grow once all steps are recorded
EXACT = 1e-5  # of a float32 product; TF32 is off by 1e-3


def compiled(engine: Engine, function: Callable) -> Recorder:
    """Return a step's recorder; on a CPU its recordings run the Python code again."""
    if engine.device == "cpu":
        return Recorder(indexing.keeping({})(function), lambda work, stream: work)
    found = engine.compile(function, consumes=True)
    assert isinstance(found, Recorder)
    return found


class Training:
    """A small GAN that is trained by a recorder, with a loss of its own for D."""

    def __init__(self, device: str, loss: Callable | None = None) -> None:
        self.engine = engines.load("torch", device, "float32", True)
        config = Config(width=8, latent=8, batch=16, image_size="32")
        made, self.draw, self.state = gan(self.engine, config, random_images(64, (32, 32, 3)))
        self.gan = dataclasses.replace(made, d_loss=loss) if loss else made
        self.recorder = compiled(self.engine, partial(step.train_step, self.gan))
        self.done, self.last = 0, math.nan

    def train(self, steps: int) -> int:
        """Train so many steps; returns the bytes of the GPU's memory reserved afterwards."""
        for _ in range(steps):
            given = self.draw.step(self.done), step.step_schedule(self.gan, self.done, 1)
            self.state, report = self.recorder(self.state, *given)
            self.done += 1
        self.last = float(report["d_loss"])
        gpu = self.engine.device != "cpu"
        return torch.cuda.memory_reserved(self.engine.device) if gpu else 0


def _reading(real: Any, fake: Any) -> Any:
    """Read a number in every step: a rehearsal finds it."""
    return ops.mean(fake * fake) * float(ops.stop_gradient(ops.mean(real))) + ops.mean(real * real)


def _reading_while_recorded(real: Any, fake: Any) -> Any:
    """Read a number where no rehearsal sees it: the recording itself fails."""
    if torch.cuda.is_available() and torch.cuda.is_current_stream_capturing():
        return _reading(real, fake)
    return ops.mean(fake * fake) + ops.mean(real * real)


REFUSED = {"in a rehearsal": _reading, "in the recording": _reading_while_recorded}


def refusal(device: str, where: str, steps: int) -> Row:
    """Train with a loss that cannot be recorded; then all is as before, and others can be."""
    training = Training(device, REFUSED[where])
    first = training.train(steps // 3)
    grown = training.train(steps - steps // 3) - first
    gpu = device != "cpu"
    restored = not gpu or torch.cuda.current_stream(device) == torch.cuda.default_stream(device)
    drawn = bool(torch.isfinite(torch.randn(8, device=device)).all())
    after = Training(device)
    after.train(5)
    said = training.recorder.refused
    recorded = bool(after.recorder.replays) and not after.recorder.refused
    refused = bool(said) and len(training.recorder.notes) == 1
    if not gpu and where == "in the recording":
        refused = not said  # a CPU records nothing
    agrees = refused and restored and drawn and recorded and grown <= SLACK
    return {
        "refused": where, "why": said[:100], "grown MiB": grown / 2**20, "stream": restored,
        "random numbers": drawn, "recorded after": recorded, "agrees": agrees,
    }  # fmt: skip


def tf32(name: str, device: str) -> Row:
    """Compare a float32 product with float64's: exact outside fast steps; inside it is reported."""
    x, y = np.random.default_rng(0).standard_normal((2, 512, 512))
    row: Row = {"engine": name}
    for fast in (False, True):
        engine = engines.load(name, device, "float32", fast)
        for title, consumes in (("function", False), ("step", True)):
            product = engine.compile(ops.matmul, consumes)
            if isinstance(product, Recorder):  # PyTorch's fast step takes a state
                continue
            found = engine.to_numpy(product(engine.from_numpy(x), engine.from_numpy(y)))
            error = float(np.abs(found - x @ y).max() / np.abs(x @ y).max())
            row[f"{title}, {'fast' if fast else '--no-fast'}"] = error
    exact = [value for key, value in row.items() if key not in ("engine", "step, fast")]
    return {**row, "agrees": max(exact) <= EXACT}


def constants(device: str, steps: int = 10, count: int = 70) -> Row:
    """Replay a step of many constants, while other tensors take whatever memory was freed."""
    engine = engines.load("torch", device, "float64", True)

    def train_step(state: Any, x: Any) -> tuple[Any, Any]:
        w = state["a"]["w"]
        rows = [(i + 1) * ops.one_hot([i], count, x)[0] for i in range(count)]
        for row in rows:
            w = w + x * row
        return {"a": {"w": w}}, {"loss": ops.sum(w)}

    recorder, kept = compiled(engine, train_step), []
    state: Any = {"a": {"w": engine.from_numpy(np.zeros(count))}}
    for number in range(steps):
        state, _ = recorder(state, engine.from_numpy(np.full(1, number + 1.0)))
        kept += [torch.full((1,), -1, device=device) for _ in range(200)]
    expected = np.arange(1, count + 1) * (steps * (steps + 1) / 2)
    error = float(np.abs(engine.to_numpy(state["a"]["w"]) - expected).max())
    recorded = len(recorder.replays) == 1
    return {"constants": count, "error": error, "agrees": recorded and error <= 1e-9}


def endurance(device: str, steps: int) -> Row:
    """Train many recorded steps: memory stays flat, and losses are finite."""
    training = Training(device)
    first = training.train(max(6, steps // 10))
    grown = training.train(steps - training.done) - first
    recorded = len(training.recorder.replays) == 1 and not training.recorder.refused
    agrees = recorded and grown <= SLACK and math.isfinite(training.last)
    return {"steps": steps, "grown MiB": grown / 2**20, "d_loss": training.last, "agrees": agrees}
