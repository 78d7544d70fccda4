"""Served models: a generator run by ONNX Runtime or the NumPy engine, and its metadata."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru.engines.numpy.parallel import thread_count
from ganbaru.engines.onnx import Tensor, batch
from ganbaru.errors import InputError
from ganbaru.export import graph, metadata, onnx_file, tracing
from ganbaru.latents.layer_features import Features, by_discriminator
from ganbaru.sampling import image_io
from ganbaru.sampling.generators import Generator, on_engine
from ganbaru.sampling.players import Player, load_player

Latents = NDArray[np.float32]
Weights = NDArray[np.float32]  # of the classes (N, classes); (N, 0) for an unconditional model
Draw = Callable[[Latents, Weights], NDArray[np.floating]]


@dataclass(frozen=True, eq=False)
class Model:
    """A generator at one checkpoint; `draw` returns images (N, C, H, W) in [-1, 1]."""

    generator: Generator
    player: Player
    draw: Draw
    computes: str
    trust: Collection[str] = ()

    @functools.cached_property
    def features(self) -> Features | None:
        """What projections compare beside pixels, None without a discriminator."""
        try:
            return by_discriminator(self.player.path, "auto", self.trust)
        except InputError:  # the file has gone: a run keeps its newest checkpoints
            return None

    @property
    def images_trained(self) -> int:
        """Real images seen in training."""
        return self.player.header.images

    def images(self, latents: Latents, weights: Weights) -> image_io.Images:
        """Return byte images (N, H, W, C)."""
        return image_io.to_bytes(self.draw(latents, weights))

    def weights(self, labels: NDArray[Any] | None, count: int) -> Weights:
        """Return labels (N,) as one-hot weights (N, classes); rows stay as they are."""
        if labels is None:
            return np.empty((count, 0), np.float32)
        return labels if self.generator.attributes else self._unit[labels]

    @functools.cached_property
    def _unit(self) -> Weights:
        return np.eye(len(self.generator.classes), dtype=np.float32)

    def card(self) -> dict[str, Any]:
        """Return the metadata of exported files, without paths of this computer."""
        facts = metadata.facts(self.player)
        private = {"data"} if Path(str(facts["data"])).name != facts["data"] else set()
        return {key: x for key, x in facts.items() if key not in private} | {
            "engine": self.computes
        }


def load(checkpoint: Path, trust: Collection[str] = ()) -> Model:
    """Load a checkpoint's EMA generator, run by ONNX Runtime if it is installed.

    `trust` is as in `ganbaru.load`. Raises InputError for a missing or damaged file.
    """
    player = load_player(checkpoint, trust=trust)
    generator = on_engine(player, "numpy", "cpu")
    # A user's network may not be expressible in ONNX.
    draw, computes = _by_onnx(player) or (generator.floats, generator.engine.describe())
    return Model(generator, player, draw, computes, trust)


def _by_onnx(player: Player) -> tuple[Draw, str] | None:
    """Return a function that runs ONNX Runtime, and its name; None if it cannot."""
    if not all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime")):
        return None
    import onnxruntime

    try:
        content = _traced(player)
    except InputError:
        return None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # One core is left for HTTP; threads that spin while they wait would occupy it.
    options.intra_op_num_threads = max(1, thread_count() - 1)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    named = {"latents": 0, "labels": 1} if player.inputs else {"latents": 0}

    def draw(*given: NDArray[np.float32]) -> NDArray[np.floating]:
        images: NDArray[np.floating] = session.run(None, {n: given[i] for n, i in named.items()})[0]
        return images

    return draw, f"ONNX Runtime {onnxruntime.__version__}"


def _traced(player: Player) -> bytes:
    """Return the exported model, with weights of the classes (N, classes) in place of labels.

    Weights between classes are what films interpolate.
    """
    latents = batch("latents", player.shape)
    inputs = [latents]
    if player.inputs:
        sides = (latents.shape[0], len(player.inputs))
        inputs.append(Tensor("Input", (), {}, sides, name="labels"))
    result = tracing.traced(player, *inputs)
    return graph.encoded(inputs, result, "images", "float32", onnx_file.metadata(player, "float32"))
