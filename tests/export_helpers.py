"""Networks of random weights to export, and ONNX Runtime's results with them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from ganbaru import nn
from ganbaru.config import Config
from ganbaru.engines.onnx import Tensor, batch
from ganbaru.export import graph, onnx_file, verification
from ganbaru.gan import models
from ganbaru.native import Player
from ganbaru.training.checkpoint import Header

ABOUT = {"preset": "", "network": "test"}


def player(kind: str, shape: tuple[int, int, int] = (16, 16, 1), **options: Any) -> Player:
    """Return a generator or discriminator; 3 classes unless `options` have no conditioning."""
    config = Config(**{"width": 4, "latent": 6, "conditioning": "projection", **options})
    classes = () if config.conditioning == "none" else ("ape", "bear", "cat")
    first = models.initial_parameters(config, shape, len(classes))
    index = ("generator", "discriminator").index(kind)
    data = {"name": "drawn", "fingerprint": "f", "classes": list(classes), "shape": list(shape)}
    made = Player(
        name=kind,
        network=models.networks(config, shape, len(classes))[index],
        parameters=_drawn(first[kind]),
        buffers=_drawn(first[f"{kind}_buffers"]),
        shape=tuple(models.input_shapes(config, shape, len(classes))[index][0][1:]),
        classes=classes,
        path=Path("absent.safetensors"),
        config=config,
        header=Header("0.1.0", dataclasses.asdict(config), 1, 8, 1.0, data, {}),
    )
    return _settled(made)


def _settled(of: Player) -> Player:
    """Run a few passes for realistic running statistics and singular vectors."""
    given, buffers = verification.examples(of, 16), of.buffers
    for _ in range(5):
        _, buffers = nn.apply(of.network, of.parameters, buffers, *given.values(), training=True)
    return dataclasses.replace(of, buffers=buffers)


def _drawn(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Draw weights of usual size; those initialised with zero (in residual blocks) smaller."""
    rng, found = np.random.default_rng(0), {}
    for name, first in arrays.items():
        noise = np.clip(rng.standard_normal(first.shape), -2, 2)
        size = max(1, first[0].size) ** -0.5 * (1 if first.any() else 0.3)
        drawn = size * noise if first.ndim > 1 else 1 + 0.3 * noise
        found[name] = drawn.astype(np.float32)
    return found


def content(of: Player, precision: str = "float32", as_bytes: bool = False) -> bytes:
    """Return a player's ONNX model."""
    traced = onnx_file.trace(of, precision, as_bytes)
    return graph.encoded(*traced, precision, onnx_file.metadata(of, precision))


def apart(of: Player, model: bytes, count: int) -> float:
    """Return ONNX Runtime's relative difference from the NumPy engine."""
    given = verification.examples(of, count)
    found, expected = run(model, **given), verification.computed(of, given)
    assert (found.shape, found.dtype) == (expected.shape, np.float32)
    assert np.abs(expected).max() > 1e-2  # else agreement would mean little
    return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))


def run(model: bytes, **inputs: np.ndarray) -> np.ndarray:
    return verification.run(onnxruntime, model, inputs)


def exported(function: Callable[..., Tensor], *shape: int, precision: str = "float32") -> bytes:
    """Return the ONNX model of a function of a batch of this shape."""
    x = batch("x", shape)
    return graph.encoded([x], function(x), "y", precision, ABOUT)


def operations(model: bytes) -> Counter[str]:
    """Count a model's operations by name."""
    return Counter(node.op_type for node in onnx.load_from_string(model).graph.node)
