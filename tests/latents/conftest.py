"""The generator of the zoo's digits, and small scorers and calibrations."""

from __future__ import annotations

import pytest

from ganbaru import load
from ganbaru.latents import detector
from ganbaru.metrics import scorer
from ganbaru.sampling import generators


@pytest.fixture(scope="session")
def digits() -> generators.Generator:
    return load("zoo:digits")


@pytest.fixture
def small(tmp_path, monkeypatch) -> None:
    """Work in an empty folder, with a scorer of moments and few held-out pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scorer, "RECIPE", scorer.Recipe(width=4, shown=1_280))
    monkeypatch.setattr(detector, "HELD_OUT", 24)
