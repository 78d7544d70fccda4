"""Write a network as an ONNX model by running it on the tracing engine, without a framework."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from ganbaru import files
from ganbaru.engines.onnx import BYTE, FLOAT, HALF, Tensor, batch, constant
from ganbaru.engines.onnx.shape_ops import concat
from ganbaru.export import graph, tracing, verification
from ganbaru.export import metadata as about
from ganbaru.export.weights import size
from ganbaru.sampling.directions import Directions
from ganbaru.sampling.players import Player

KINDS = {"float32": FLOAT, "float16": HALF}


class Traced(NamedTuple):
    """A traced network: its inputs, its result, and the result's name."""

    inputs: list[Tensor]
    result: Tensor
    output: str


def write(
    path: Path,
    player: Player,
    precision: str,
    pixels: str = "float32",
    directions: Directions | None = None,
) -> list[str]:
    """Verify a player's ONNX model and write it; returns a summary.

    Images are float32 in [-1, 1], or with `pixels` uint8 RGB bytes, as torch-fidelity takes.
    The run's `directions` are in its metadata.
    Raises InputError if onnx is missing or the weights do not fit, and RunError if ONNX Runtime
    is installed and disagrees with the NumPy engine.
    """
    graph.library()
    traced = trace(player, precision, pixels == "uint8")
    content = graph.encoded(*traced, precision, metadata(player, precision, directions))
    verdict = verification.agreement(content, player, precision)
    with files.replacing(path) as temporary:
        temporary.write_bytes(content)
    file = f"{path}: {size(path)}, ONNX opset {graph.OPSET}, {precision}"
    return [file, signature(traced), verdict]


def trace(player: Player, precision: str, as_bytes: bool = False) -> Traced:
    """Run a player on the tracing engine with an open batch size; images may become bytes."""
    generates = len(player.shape) == 1
    first = batch("latents" if generates else "images", player.shape)
    labels = Tensor("Input", (), {}, first.shape[:1], "int", name="labels")
    number = KINDS[precision]
    if player.attributes:
        rows = (*first.shape[:1], len(player.attributes))
        labels = Tensor("Input", (), {}, rows, name="labels")
    given = [labels] if player.inputs else []
    cast = [_cast(labels, number) if player.attributes else labels for _ in given]
    found = tracing.traced(player, _cast(first, number), *cast)
    result = _bytes(found) if as_bytes else _cast(found, FLOAT, number)
    return Traced([first, *given], result, "images" if generates else "scores")


def _bytes(images: Tensor) -> Tensor:
    """Convert images in [-1, 1] to RGB, rounded as by `image_io.to_bytes`; grey is repeated."""
    shape = images.shape
    whole = Tensor("Round", ((images + 1.0) * 127.5,), {}, shape)
    within = Tensor("Clip", (whole, constant(0.0), constant(255.0)), {}, shape)
    made = Tensor("Cast", (within,), {"to": BYTE}, shape, "byte")
    return made if shape[1] == 3 else concat([made] * 3, axis=1)


def _cast(x: Tensor, to: int, own: int = FLOAT) -> Tensor:
    return x if to == own else Tensor("Cast", (x,), {"to": to}, x.shape)


def metadata(
    player: Player, precision: str, directions: Directions | None = None
) -> dict[str, str]:
    """Return the model's metadata, lists as JSON."""
    facts = {**about.facts(player, directions), "precision": precision}
    return {name: x if isinstance(x, str) else json.dumps(x) for name, x in facts.items()}


def signature(traced: Traced) -> str:
    """Describe a model's inputs and output."""
    given = [
        f"{x.name} {_sides(x)} {'int64' if x.kind == 'int' else 'float32'}" for x in traced.inputs
    ]
    ends = "float32 in [-1, 1]" if len(traced.result.shape) == 4 else "float32"
    ends = "uint8" if traced.result.kind == "byte" else ends
    return f"{', '.join(given)} -> {traced.output} {_sides(traced.result)} {ends}"


def _sides(x: Tensor) -> str:
    return f"({', '.join(['N', *map(str, x.shape[1:])])})"
