"""Inception features by torch-fidelity, for FID and KID as papers report them.

Needs the extra `metrics`, which installs torchvision, and a file of weights.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np

from ganbaru.data import Progress, Source, alpha
from ganbaru.errors import InputError, missing_extra
from ganbaru.metrics.classifier import Images
from ganbaru.metrics.scorer import Features, Scorer, ScorerInfo

BATCH = 64
URL = "https://github.com/toshas/torch-fidelity/releases, weights-inception-2015-12-05-6726825d.pth"


def inception(weights: str | Path | None, source: Source, progress: Progress) -> Scorer:
    """Return the scorer whose Fréchet distance is FID and whose kernel distance is KID.

    Features are the 2,048 of TensorFlow's Inception (Heusel et al. 2017) by torch-fidelity, which
    resizes to 299x299 itself. Compare with papers only at their numbers of images.
    """
    path = _checked(weights)
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path)
    ).eval()

    def extract(images: Images, progress: Progress) -> Features:
        parts = []
        for start in range(0, len(images), BATCH):
            part = alpha.over(images[start : start + BATCH])
            colour = np.broadcast_to(part, (*part.shape[:3], 3))
            with torch.no_grad():
                batch = torch.from_numpy(np.ascontiguousarray(colour.transpose(0, 3, 1, 2)))
                parts.append(network(batch)[0].numpy())
            progress(min(start + BATCH, len(images)), len(images), "computing features")
        return Features((np.concatenate(parts),), None)

    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Scorer(ScorerInfo("inception", 1, source.images.shape[1:], hash=digest), extract)


def _checked(weights: str | Path | None) -> Path:
    if weights is None:
        raise InputError(
            f"--scorer inception needs the file of its weights: --weights PATH (from {URL})."
        )
    path = Path(weights).expanduser()
    if not path.is_file():
        raise InputError(f"There are no weights at {path}: give the file's path (from {URL}).")
    if not importlib.util.find_spec("torch_fidelity"):
        what = "--scorer inception needs torch-fidelity"
        raise missing_extra(what, "metrics", "--scorer auto needs no package.")
    return path
