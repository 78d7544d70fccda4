"""Compare an exported model, run by ONNX Runtime if installed, with the NumPy engine."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from ganbaru import engines, randomness
from ganbaru.data import attributes
from ganbaru.errors import RunError, pip_install
from ganbaru.export.precision import bound
from ganbaru.gan import models
from ganbaru.sampling import image_io
from ganbaru.sampling.players import Player

COUNT = 3  # images or scores to compare


def agreement(content: bytes, player: Player, precision: str) -> str:
    """Return a sentence on the largest difference; raises RunError if it is out of bounds.

    Differences are relative to the NumPy engine's largest output, at least 1.
    """
    try:
        runtime = importlib.import_module("onnxruntime")
    except ModuleNotFoundError:
        return f"not verified, since ONNX Runtime is not installed: {pip_install('ganbaru[onnx]')}"
    inputs = examples(player, COUNT)
    found, expected = run(runtime, content, inputs), computed(player, inputs)
    if found.dtype == np.uint8:
        return _agreement_of_bytes(found, expected, precision)
    error = float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
    if not error <= bound(precision):
        raise RunError(
            f"ONNX Runtime {runtime.__version__} and the NumPy engine differ by {error:.2g} on "
            f"this model, more than the {bound(precision):g} allowed for {precision}, so nothing "
            f"was written. Try --precision float32, or another version of onnxruntime."
        )
    return f"ONNX Runtime {runtime.__version__} and the NumPy engine differ by {error:.1e} at most"


def _agreement_of_bytes(found: np.ndarray, expected: np.ndarray, precision: str) -> str:
    """Compare with the pictures of `generate`: a number between two bytes may become either."""
    wanted = image_io.to_bytes(expected).transpose(0, 3, 1, 2)
    error = int(np.abs(found.astype(int) - wanted).max())
    if error > 1 + round(127.5 * bound(precision)):
        raise RunError(
            f"ONNX Runtime and the NumPy engine differ by {error} of 255 on this model, so nothing "
            f"was written. Try --precision float32, or another version of onnxruntime."
        )
    return f"ONNX Runtime and the NumPy engine differ by {error} of 255 at most"


def examples(player: Player, count: int) -> dict[str, np.ndarray]:
    """Return inputs of a player: latents of the first seeds or random images, labels cycling."""
    made: dict[str, np.ndarray] = {}
    if len(player.shape) == 1:
        sample = randomness.distribution(player.config.distribution)
        made["latents"] = np.stack([sample(i, "sample", 0, *player.shape) for i in range(count)])
    else:
        drawn = randomness.symmetric(0, "export", 0, count * int(np.prod(player.shape)))
        made["images"] = drawn.reshape(count, *player.shape)
    if player.classes:
        made["labels"] = np.arange(count) % len(player.classes)
    if player.attributes:
        made["labels"] = attributes.example_rows(player.attributes, range(count))
    return made


def computed(player: Player, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Compute with the NumPy engine in the precision of the player's training."""
    engine = engines.load("numpy", "cpu", engines.storage_precision(player.config.precision))
    tensors = map(engine.from_numpy, inputs.values())
    infer = models.inference(engine, player.network)
    return engine.to_numpy(infer(*player.on(engine), *tensors))


def run(runtime: Any, content: bytes, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Compute with ONNX Runtime on one thread, without its warnings."""
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, inputs)[0]
    return result
