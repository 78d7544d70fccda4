"""Losses of extreme logits, and the minimum of losses with smoothed targets."""

from __future__ import annotations

import numpy as np
import pytest

from ganbaru.gan.objectives import OBJECTIVES


@pytest.mark.parametrize("logit", [40.0, 1e3, 1e6])
def test_losses_of_extreme_logits_are_exact(logit):
    """No epsilon inside the logarithm and no overflow in exp."""
    found, high = OBJECTIVES["non-saturating"], np.full(3, logit, np.float32)
    assert found.d(-high, high) == pytest.approx(2 * logit, rel=1e-6)
    assert found.g(None, -high) == pytest.approx(logit, rel=1e-6)
    assert 0 <= found.d(high, -high) < 1e-16 and 0 <= found.g(None, high) < 1e-16


def test_summary_gives_the_minimum_loss_of_smoothed_targets():
    found = OBJECTIVES["non-saturating"]
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    scores = np.linspace(-6, 6, 4001)
    lowest_g = min(float(found.g(None, scores[i : i + 1], real=0.9)) for i in range(4001))
    assert lowest_g == pytest.approx(entropy, abs=1e-6)
    assert f"{2 * entropy:.3f}" in found.summary and f"{lowest_g:.3f}" in found.summary
