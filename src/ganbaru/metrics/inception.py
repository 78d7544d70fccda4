"""Inception features, for numbers that papers print: torch-fidelity's, with weights on disk.

This needs the extra `metrics`, which brings torchvision; nothing else does, and no test.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np

from ganbaru.data import Progress, Source
from ganbaru.errors import InputError
from ganbaru.metrics.classifier import Images
from ganbaru.metrics.scorer import About, Look, Scorer

BATCH = 64
URL = "https://github.com/toshas/torch-fidelity/releases, weights-inception-2015-12-05-6726825d.pth"


def inception(
    weights: str | Path | None, source: Source, progress: Progress
) -> tuple[Scorer, tuple[str, ...]]:
    """Return the scorer whose Fréchet distance is FID and whose kernel distance is KID.

    Features are the 2,048 of TensorFlow's Inception (Heusel et al. 2017) by torch-fidelity, which
    resizes to 299x299 itself. Compare with papers only at their numbers of images.
    """
    path = _checked(weights)
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    extract = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path)
    ).eval()

    def look(images: Images, progress: Progress) -> Look:
        parts = []
        for start in range(0, len(images), BATCH):
            colour = np.broadcast_to(
                images[start : start + BATCH], (*images[start : start + BATCH].shape[:3], 3)
            )
            with torch.no_grad():
                batch = torch.from_numpy(np.ascontiguousarray(colour.transpose(0, 3, 1, 2)))
                parts.append(extract(batch)[0].numpy())
            progress(min(start + BATCH, len(images)), len(images), "looking at images")
        return Look((np.concatenate(parts),), None)

    about = About(
        kind="inception", version=1, shape=source.images.shape[1:], classes=0, seed=0, shown=0,
        accuracy=None, fingerprint="", hash=hashlib.sha256(path.read_bytes()).hexdigest(),
    )  # fmt: skip
    return Scorer(about, look), ()


def _checked(weights: str | Path | None) -> Path:
    if weights is None:
        raise InputError(
            f"The scorer inception needs the file of its weights: --weights PATH (from {URL})."
        )
    path = Path(weights).expanduser()
    if not path.is_file():
        raise InputError(f"There are no weights at {path}: give the file's path (from {URL}).")
    if not importlib.util.find_spec("torch_fidelity"):
        raise InputError(
            "The scorer inception needs torch-fidelity, which is not installed. Install it with: "
            "pip install 'ganbaru[metrics]' (or take --scorer auto)."
        )
    return path
