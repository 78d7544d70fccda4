"""The comparison on pictures: its contestants can be built, and its spectrum finds what repeats."""

from __future__ import annotations

import numpy as np
import pytest
from bench import picture_scores, pictures

from ganbaru.gan import build
from ganbaru.metrics.checkerboard import PERIODS, spectrum


@pytest.mark.parametrize("name", pictures.CONTESTANTS)
def test_a_contestant_can_be_built(name):
    chosen, options = pictures.contestant(name)
    settings = pictures.configured("digits", {**options, "width": 2})
    assert chosen == name and build.gan(settings, (32, 32, 3), 0)


def test_a_contestant_may_be_given_by_its_options():
    name, options = pictures.contestant("mine={batch: 8, betas: [0, 0.9]}")
    assert name == "mine" and pictures.configured("digits", options).betas == (0.0, 0.9)


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("both", [True, False])
def test_the_spectrum_finds_a_pattern_that_repeats(period, both):
    rng = np.random.default_rng(0)
    real, fake = (rng.normal(128, 20, (400, 32, 32, 3)) for _ in range(2))
    rows, columns = np.mgrid[:32, :32]
    phase = rows + columns if both else rows
    pattern = 4 * np.cos(2 * np.pi * phase / period)
    plain, marked = (
        picture_scores.checkerboard(spectrum(x), spectrum(real))
        for x in (fake, fake + pattern[..., None])
    )
    assert max(plain) < 1.3 < 2 < min(marked)
