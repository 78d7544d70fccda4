"""Models that are served: what computes their pictures, and what they say of themselves."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbaru import engines
from ganbaru.engines.numpy.parallel import thread_count
from ganbaru.engines.onnx import Tensor, batch
from ganbaru.errors import InputError
from ganbaru.export import graph, metadata, onnx_file, tracing
from ganbaru.sampling import image_io
from ganbaru.sampling.generators import Generator, from_player
from ganbaru.sampling.players import Player, load_player

Latents = NDArray[np.float32]
Weights = NDArray[np.float32]  # of the classes (N, classes); (N, 0) for an unconditional model
Draw = Callable[[Latents, Weights], NDArray[np.floating]]


@dataclass(frozen=True, eq=False)
class Model:
    """A generator at one checkpoint; `draw` gives images (N, C, H, W) in [-1, 1]."""

    generator: Generator
    player: Player
    draw: Draw
    computes: str

    @property
    def images_trained(self) -> int:
        """How many real images it had seen."""
        return self.player.header.images

    def pictures(self, latents: Latents, weights: Weights) -> image_io.Images:
        """Return byte images (N, H, W, C)."""
        return image_io.to_bytes(self.draw(latents, weights))

    def weights(self, labels: NDArray[np.int64] | None, count: int) -> Weights:
        """Return labels (N,) as weights of the classes (N, classes)."""
        if labels is None:
            return np.empty((count, 0), np.float32)
        return self._unit[labels]

    @functools.cached_property
    def _unit(self) -> Weights:
        return np.eye(len(self.generator.classes), dtype=np.float32)

    def card(self) -> dict[str, Any]:
        """Return what a user needs to know of it, as exported files say it."""
        facts = metadata.facts(self.player)
        private = {"data"} if Path(str(facts["data"])).name != facts["data"] else set()
        return {key: x for key, x in facts.items() if key not in private} | {
            "engine": self.computes
        }


def load(checkpoint: Path) -> Model:
    """Load a checkpoint's averaged generator, to be run by ONNX Runtime if it is installed.

    Raises InputError for a missing or damaged file.
    """
    player = load_player(checkpoint)
    generator = from_player(player, engines.load("numpy", "cpu", player.config.precision))
    # Computed once a checkpoint: a network of the user's own may not be one that ONNX can say.
    found = _by_onnx(player) or (_by_numpy(generator), generator.engine.describe())
    return Model(generator, player, *found)


def _by_numpy(generator: Generator) -> Draw:
    return lambda latents, weights: generator.floats(latents, weights)


def _by_onnx(player: Player) -> tuple[Draw, str] | None:
    """Return what draws by ONNX Runtime, and its name; None without it."""
    if not all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime")):
        return None
    import onnxruntime

    try:
        content = _traced(player)
    except InputError:
        return None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # One core is for answering; threads that wait in a loop would take it as well.
    options.intra_op_num_threads = max(1, thread_count() - 1)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    named = {"latents": 0, "labels": 1} if player.classes else {"latents": 0}

    def draw(*given: NDArray[np.float32]) -> NDArray[np.floating]:
        images: NDArray[np.floating] = session.run(None, {n: given[i] for n, i in named.items()})[0]
        return images

    return draw, f"ONNX Runtime {onnxruntime.__version__}"


def _traced(player: Player) -> bytes:
    """Return a model like the exported one, but with weights of the classes in place of labels.

    So one model draws pictures of classes and those between them, of which films are made.
    """
    latents = batch("latents", player.shape)
    inputs = [latents]
    if player.classes:
        sides = (latents.shape[0], len(player.classes))
        inputs.append(Tensor("Input", (), {}, sides, name="labels"))
    result = tracing.traced(player, *inputs)
    return graph.encoded(inputs, result, "images", "float32", onnx_file.metadata(player, "float32"))
