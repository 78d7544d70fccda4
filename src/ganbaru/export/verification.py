"""An exported model held against the NumPy engine, by ONNX Runtime where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import Any

import numpy as np

from ganbaru import engines, randomness
from ganbaru.errors import RunError
from ganbaru.export.precision import bound
from ganbaru.gan import models
from ganbaru.sampling.players import Player

COUNT = 3  # pictures or scores that are compared


def agreement(content: bytes, player: Player, precision: str) -> str:
    """Return a sentence on how well a model agrees; raises RunError if it does not.

    The difference is told in parts of the largest number that the NumPy engine gives, or of 1.
    """
    runtime = _runtime()
    if runtime is None:
        return "not tried, for lack of ONNX Runtime: pip install 'ganbaru[onnx]'"
    inputs = examples(player, COUNT)
    found, expected = run(runtime, content, inputs), computed(player, inputs)
    apart = float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
    if not apart <= bound(precision):
        raise RunError(
            f"ONNX Runtime {runtime.__version__} and the NumPy engine differ by {apart:.2g} on "
            f"this model, more than the {bound(precision):g} that {precision} explains, so nothing "
            f"was written. Try --precision float32, or another version of onnxruntime."
        )
    return f"ONNX Runtime {runtime.__version__} and the NumPy engine differ by {apart:.1e} at most"


def _runtime() -> ModuleType | None:
    found = importlib.util.find_spec("onnxruntime")
    return None if found is None else importlib.import_module("onnxruntime")


def examples(player: Player, count: int) -> dict[str, np.ndarray]:
    """Return inputs of a player: latents of the first seeds or random images, labels in turn."""
    made: dict[str, np.ndarray] = {}
    if len(player.shape) == 1:
        draw = randomness.distribution(player.config.distribution)
        made["latents"] = np.stack([draw(i, "sample", 0, *player.shape) for i in range(count)])
    else:
        drawn = randomness.symmetric(0, "export", 0, count * int(np.prod(player.shape)))
        made["images"] = drawn.reshape(count, *player.shape)
    if player.classes:
        made["labels"] = np.arange(count) % len(player.classes)
    return made


def computed(player: Player, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Compute with the NumPy engine, in the precision that the player was trained in."""
    engine = engines.load("numpy", "cpu", engines.storage_precision(player.config.precision))
    tensors = map(engine.from_numpy, inputs.values())
    run = models.inference(engine, player.network)
    return engine.to_numpy(run(*player.on(engine), *tensors))


def run(runtime: Any, content: bytes, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Compute with ONNX Runtime, on one thread and without its warnings."""
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, inputs)[0]
    return result
