"""Runs of random weights, and the NumPy engine's results with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from train_helpers import tiny

from ganbaru import native, nn
from ganbaru.training import loop, setup

PLAYERS = ("generator", "discriminator")
Numbers = tuple[np.ndarray, dict[str, np.ndarray]]  # the result, and the buffers afterwards

# Options of tiny runs: each architecture, conditioning and layer hook is in one of them.
RUNS: dict[str, dict[str, Any]] = {
    "projection": {},
    "unconditional": {"conditioning": "none"},
    "planes-patchgan": {"network": "patchgan", "conditioning": "planes"},
    "class-norm-spectral": {"conditioning": "class-norm", "spectral_norm": "both"},
    "deviation": {"minibatch_deviation": True},
    "resnet": {"network": "resnet"},
    "r3gan": {"network": "r3gan"},
    "5x5": {"network": "dcgan-5x5", "conditioning": "none", "objective": "two-class"},
    "mlp": {"network": "dcgan-mlp", "conditioning": "planes"},
}


def save(folder: Path, **options: Any) -> loop.Run:
    """Save a run of random weights, different for the EMA generator and the generator."""
    run = setup.build(tiny(folder, **options))
    rng = np.random.default_rng(0)

    def draw(name: str, x: np.ndarray) -> np.ndarray:
        scale = max(1, x[0].size) ** -0.5 if x.ndim > 1 else 0.3
        noise = scale * np.clip(rng.standard_normal(x.shape), -2, 2)
        return (noise if x.ndim > 1 else 1 + noise).astype(x.dtype)

    for group, arrays in run.state.items():
        run.state[group] = {name: draw(name, x) for name, x in arrays.items()}
    run.save()
    return run


def inputs(run: loop.Run, player: str, count: int = 5) -> list[np.ndarray]:
    """Return latents or images, and labels if the run has any."""
    height, width, channels = run.source.images.shape[1:]
    shape = (run.config.latent,) if "generator" in player else (channels, height, width)
    x = np.random.default_rng(1).standard_normal((count, *shape)).astype(np.float32)
    return [x, np.arange(count) % 3] if run.classes else [x]


def expected(run: loop.Run, player: str, *given: np.ndarray, training: bool) -> Numbers:
    """Compute with the NumPy engine."""
    group, kind = native.PLAYERS[player]
    network = getattr(run.gan, kind)
    buffers = run.state[f"{group}_buffers"]
    return nn.apply(network, run.state[group], buffers, *given, training=training)
