"""Given the same features and subsets, our scores are those of torch-fidelity and prdc."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ganbaru.metrics.frechet import frechet
from ganbaru.metrics.kernel import kernel_distance
from ganbaru.metrics.neighbours import neighbourhood

REFERENCE = Path(__file__).with_name("metric_reference.npz")  # see make_metric_reference.py


@pytest.fixture(scope="module", params=["near", "far", "thin"])
def reference(request) -> dict[str, np.ndarray]:
    with np.load(REFERENCE) as found:
        mark = f"{request.param}/"
        return {name.removeprefix(mark): found[name] for name in found if name.startswith(mark)}


def test_frechet_distance(reference):
    # The reference takes roots of a general product: for features that fill 8 of 32 dimensions,
    # those of the 24 eigenvalues that should be 0 add some 1e-6 of the trace to what it finds.
    found = frechet(reference["real"], reference["fake"])
    assert found == pytest.approx(reference["frechet_inception_distance"], rel=1e-6)


def test_kernel_distance(reference):
    subsets = zip(reference["real_subsets"], reference["fake_subsets"], strict=True)
    mean, deviation = kernel_distance(reference["real"], reference["fake"], subsets)
    assert mean == pytest.approx(reference["kernel_inception_distance_mean"], rel=1e-6)
    assert deviation == pytest.approx(reference["kernel_inception_distance_std"], rel=1e-6)


def test_precision_recall_density_and_coverage(reference):
    found = neighbourhood(reference["real"], reference["fake"])
    for name in ("precision", "recall", "density", "coverage"):
        assert getattr(found, name) == pytest.approx(reference[f"prdc_{name}"], rel=1e-6)
    assert found.precision == pytest.approx(reference["precision"], rel=1e-6)
    assert found.recall == pytest.approx(reference["recall"], rel=1e-6)
