"""Write metric_reference.npz: features with what torch-fidelity and prdc make of them.

Run once, in an environment of its own that nothing else here needs:

    pip install torch==2.13.0 numpy tqdm scikit-learn
    pip install --no-deps torch-fidelity==0.4.0 prdc==0.2
    python tests/metrics/make_metric_reference.py tests/metrics/metric_reference.npz

torchvision is not wanted: a stub stands in for it, and no network is run.
"""

from __future__ import annotations

import contextlib
import io
import sys
from unittest import mock

import numpy as np

for name in ("", ".datasets", ".models", ".transforms", ".transforms.functional"):
    sys.modules.setdefault(f"torchvision{name}", mock.MagicMock())

import torch  # noqa: E402
from prdc import compute_prdc  # noqa: E402
from torch_fidelity.metric_fid import (  # noqa: E402
    fid_features_to_statistics,
    fid_statistics_to_metric,
)
from torch_fidelity.metric_kid import kid_features_to_metric  # noqa: E402
from torch_fidelity.metric_prc import prc_features_to_metric  # noqa: E402

SUBSETS, SIZE, SEED = 20, 100, 2020


def features() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return pairs (real, fake): near, far with few fakes, and of lower rank than dimensions."""
    rng = np.random.default_rng(5)
    mixing = rng.standard_normal((16, 16))
    real = np.maximum(rng.standard_normal((400, 16)) @ mixing, 0)
    near = np.maximum(rng.standard_normal((500, 16)) @ mixing * 0.9 + 0.1, 0)
    far = np.maximum(rng.standard_normal((150, 16)) + 2, 0)
    thin = rng.standard_normal((120, 8)) @ rng.standard_normal((8, 32))
    return {"near": (real, near), "far": (real, far), "thin": (thin, thin[::-1] * 1.1 + 0.2)}


def judged(real: np.ndarray, fake: np.ndarray) -> dict[str, np.ndarray]:
    """Return the published implementations' scores and the subsets that the kernel one drew."""
    first, second = torch.from_numpy(fake.copy()), torch.from_numpy(real.copy())
    statistics = fid_features_to_statistics(second), fid_features_to_statistics(first)
    fid = fid_statistics_to_metric(*statistics, verbose=False)
    how = {"kid_subsets": SUBSETS, "kid_subset_size": SIZE, "rng_seed": SEED, "verbose": False}
    kid = kid_features_to_metric(first, second, **how)
    prc = prc_features_to_metric(
        first, second, prc_neighborhood=5, prc_batch_size=10_000, save_cpu_ram=False, verbose=False
    )
    with contextlib.redirect_stdout(io.StringIO()):  # it prints the numbers of images
        prdc = compute_prdc(real, fake, nearest_k=5)
    rng = np.random.RandomState(SEED)
    drawn = [
        (rng.choice(len(fake), SIZE, replace=False), rng.choice(len(real), SIZE, replace=False))
        for _ in range(SUBSETS)
    ]
    scores = {**fid, **kid, **prc, **{f"prdc_{name}": value for name, value in prdc.items()}}
    return {
        "fake_subsets": np.array([one for one, _ in drawn], np.int16),
        "real_subsets": np.array([other for _, other in drawn], np.int16),
        **{name: np.float64(value) for name, value in scores.items()},
    }


def main() -> None:
    arrays = {}
    for name, (real, fake) in features().items():
        arrays |= {f"{name}/real": real, f"{name}/fake": fake}
        arrays |= {f"{name}/{key}": value for key, value in judged(real, fake).items()}
    np.savez_compressed(sys.argv[1], **arrays)


if __name__ == "__main__":
    main()
