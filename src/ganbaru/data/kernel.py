"""Output in a Jupyter kernel: parts of a cell's output that are replaced in place.

IPython is never required: nothing is imported unless the program runs in a kernel.
"""

from __future__ import annotations

import base64
import html
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ganbaru.data.source import Progress

EVERY = 0.3  # seconds between two updates


def active() -> bool:
    """Return whether the program runs in a kernel, which shows pictures and tables."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython and hasattr(ipython, "get_ipython") else None
    return getattr(shell, "kernel", None) is not None


class Area:
    """A part of a cell's output, shown when it is first given and then replaced."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, text: str, *, markup: str = "", png: bytes = b"") -> None:
        """Show a picture, or markup; `text` where neither can be shown."""
        from IPython import display as ipython

        content = {"text/plain": text}
        content |= {"text/html": markup} if markup else {}
        content |= {"image/png": base64.b64encode(png).decode()} if png else {}
        if self._handle is None:
            show: Any = ipython.display  # without types
            self._handle = show(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


def bar(share: float, text: str) -> str:
    """Return the markup of a progress bar with a text beside it."""
    return f'<progress value="{min(1.0, share):.3f}" max="1"></progress> {html.escape(text)}'


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Yield a function for ``load(progress=...)`` that shows one bar in the cell's output."""
    area, shown = Area(), -EVERY

    def report(done: int, total: int, what: str) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= EVERY or done == total:
            shown = now
            text = f"{what}: {done:,} of {total:,}"
            area.show(text, markup=bar(done / max(1, total), text))

    yield report
