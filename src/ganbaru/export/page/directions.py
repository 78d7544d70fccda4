"""A generator's main directions: those along which latents change its first layer most.

They are the right singular vectors of the first layer's weights, found without images (SeFa, Shen
and Zhou 2021, eq. 5); for normal latents they agree with the principal components of that layer's
features (GANSpace, Härkönen et al. 2020, section 2). Batch norm's scales are folded into the
weights, so channels are weighted as the next layers see them. On MNIST eight of them change unseen
images 8.3 times as much as eight random directions; the eigenvectors of the pixels' derivative,
which cost a thousand images, 8.4 times (`docs/results.md`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from ganbaru.engines.onnx import Tensor
from ganbaru.export.folding import order
from ganbaru.export.page.plan import MATRICES
from ganbaru.sampling.directions import Direction

COUNT = 8  # directions at most
SAME = 0.999  # cosine of two directions that are one


class Directions(NamedTuple):
    """Unit directions (D, Z) of latents, the strongest first.

    `shares` (D,) are their shares of the total change over all Z directions.
    """

    vectors: np.ndarray
    shares: np.ndarray


def main(result: Tensor, latent: int) -> Directions:
    """Find the main directions of latents (N, latent) in a folded graph.

    There are none if no layer takes all numbers of a latent at once.
    """
    weights = next(
        (w for x in order(result) if (w := _first(x)) is not None), np.zeros((0, latent))
    )
    _, values, vectors = np.linalg.svd(weights[:, :latent].astype(np.float64), full_matrices=False)
    chosen, energy = vectors[:COUNT], values**2
    # A singular vector's sign is arbitrary: its largest number is made positive.
    signs = np.sign(np.take_along_axis(chosen, np.abs(chosen).argmax(axis=1)[:, None], axis=1))
    return Directions(chosen * signs, energy[:COUNT] / max(energy.sum(), 1e-30))


def listed(found: Directions, named: Mapping[str, Direction]) -> dict[str, Any]:
    """Return what a page knows of directions: the vectors, those with names last, and what is known
    of these. A main one that has a name in the run's file is left out.
    """
    vectors = [np.array(each.vector) for each in named.values()]
    mains = [x for x in found.vectors if all(abs(x @ other) < SAME for other in vectors)]
    known = [{"name": name, **asdict(each)} for name, each in named.items()]
    for each in known:
        del each["vector"], each["also"]
    rounded = [[round(float(x), 6) for x in vector] for vector in (*mains, *vectors)]
    return {"directions": rounded, "named": known}


def _first(tensor: Tensor) -> np.ndarray | None:
    """Return the weights (M, K) of a layer whose input is latents, perhaps joined with labels."""
    if tensor.operation not in MATRICES or not _of_latents(tensor.inputs[0]):
        return None
    weight = tensor.inputs[1].value
    matrix = None if weight is None else MATRICES[tensor.operation](weight)
    whole = matrix is not None and matrix.shape[1] == math.prod(tensor.inputs[0].shape)
    return matrix if whole else None


def _of_latents(x: Tensor) -> bool:
    """Return whether a tensor is latents, reshaped or with something joined after them."""
    while x.operation in ("Reshape", "Concat"):
        x = x.inputs[0]
    return x.name == "latents"
