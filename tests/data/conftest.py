"""Fixtures of the tests of image sets."""

from __future__ import annotations

import pytest

from ganbaru.data import survey


@pytest.fixture
def any_number(monkeypatch):
    """Leave out the warning about few images: sets of tests are small."""
    monkeypatch.setattr(survey, "FEW_IMAGES", 0)
