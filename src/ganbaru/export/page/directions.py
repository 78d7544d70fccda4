"""A generator's main directions: those in which latents change its first layer's features most.

They are the right singular vectors of the first layer's weights, which need no pictures (SeFa, Shen
and Zhou 2021, eq. 5), and, for normal latents, what the principal components of that layer's
features lead back to (GANSpace, Härkönen et al. 2020, section 2). The weights have batch norm's
scales in them, so a channel counts for what the next layers see of it. On MNIST eight of them
change unseen pictures 8.3 times as much as eight directions by chance; the eigenvectors of the
pixels' own derivative, which cost a thousand pictures, 8.4 times (`docs/results.md`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ganbaru.engines.onnx import Tensor
from ganbaru.export.folding import order
from ganbaru.export.page.plan import MATRICES

MOST = 8  # directions


class Directions(NamedTuple):
    """Unit directions (D, Z) of latents, the most important first.

    `shares` (D,) are their parts of the change that all Z directions make together.
    """

    vectors: np.ndarray
    shares: np.ndarray


def main(result: Tensor, latent: int) -> Directions:
    """Find the main directions of `latent` numbers in a folded graph.

    There are none where no first layer takes all numbers of a latent at once.
    """
    weights = next(
        (w for x in order(result) if (w := _first(x)) is not None), np.zeros((0, latent))
    )
    _, values, vectors = np.linalg.svd(weights[:, :latent].astype(np.float64), full_matrices=False)
    chosen, energy = vectors[:MOST], values**2
    # A singular vector's sign is any: its largest number is positive, so that exports agree.
    signs = np.sign(np.take_along_axis(chosen, np.abs(chosen).argmax(axis=1)[:, None], axis=1))
    return Directions(chosen * signs, energy[:MOST] / max(energy.sum(), 1e-30))


def _first(tensor: Tensor) -> np.ndarray | None:
    """Return a tensor's weights (M, K) if it is a layer of latents, with labels joined or not."""
    if tensor.operation not in MATRICES or not _of_latents(tensor.inputs[0]):
        return None
    weight = tensor.inputs[1].value
    matrix = None if weight is None else MATRICES[tensor.operation](weight)
    whole = matrix is not None and matrix.shape[1] == math.prod(tensor.inputs[0].shape)
    return matrix if whole else None


def _of_latents(x: Tensor) -> bool:
    """Say whether a tensor holds latents as they are, first of all."""
    while x.operation in ("Reshape", "Concat"):
        x = x.inputs[0]
    return x.name == "latents"
