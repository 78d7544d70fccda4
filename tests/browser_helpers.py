"""A real browser for pages, where there is one."""

from __future__ import annotations

import pytest
from bench.page import BROWSERS, chromium

PATH = chromium()
needs_chromium = pytest.mark.skipif(PATH is None, reason=f"needs one of {', '.join(BROWSERS)}")
