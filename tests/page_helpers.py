"""Pages in a real browser: Chromium, driven by Playwright, recording errors and requests."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_helpers import PATH, needs_chromium
from native_helpers import save

from ganbaru import export

playwright = pytest.importorskip("playwright.sync_api")
# The sandbox does not work in containers, imitating a GPU takes time, and a window would load the
# browser's own pages, each in a process, before they are opened.
UNUSED = "HttpsUpgrades,MediaRouter,OptimizationHints,PaintHolding,PreloadTopChromeWebUI,Translate"
FLAGS = ["--no-sandbox", "--disable-gpu", f"--disable-features={UNUSED}"]
DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}


def exported(folder: Path, precision: str | None = None, **options: Any) -> Path:
    """Save a run of random weights and return its page."""
    export.write(save(folder, **options).folder.path, folder / "page.html", precision=precision)
    return folder / "page.html"


SLIDE = """(slider, value) => {
  slider.value = value;
  slider.dispatchEvent(new Event("input"));
}"""
# As base64: a list of a grid's numbers costs the browser, its driver and this process 0.2 s.
PIXELS = """selector => [...document.querySelectorAll(selector)].map((canvas) => {
  const {width, height} = canvas;
  const copy = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
  copy.drawImage(canvas, 0, 0);
  const bytes = copy.getImageData(0, 0, width, height).data;
  const row = (y) => String.fromCharCode(...bytes.subarray(4 * width * y, 4 * width * (y + 1)));
  return btoa(Array.from({length: height}, (_, y) => row(y)).join(""));
})"""


@contextlib.contextmanager
def browsing() -> Iterator[Any]:
    """Start Chromium, which ends with the block; without one the test is skipped."""
    if PATH is None:
        pytest.skip(needs_chromium.kwargs["reason"])
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=PATH, args=FLAGS)
        yield browser
        _VISITS.clear()
        browser.close()


class Visit:
    """An open page, with its console messages, errors and requests."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.viewport = options["viewport"]
        self.page = browser.new_context(**options).new_page()
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def go(self, path: Path) -> None:
        """Load a page; nothing of the one before is left, since pages store nothing."""
        self.messages.clear()
        self.requests.clear()
        self.address = path.resolve().as_uri()
        self.page.set_viewport_size(self.viewport)
        self.page.goto(self.address)
        self.rest()

    def rest(self) -> None:
        """Wait until all images are up to date."""
        # A change starts with the next animation frame, but marks the stage as busy at once.
        self.page.wait_for_selector("#stage[aria-busy=false]", timeout=300_000)

    def click(self, selector: str) -> None:
        self.page.click(selector)
        self.rest()

    def slide(self, selector: str, value: float) -> None:
        """Drag a slider to a value."""
        self.page.eval_on_selector(selector, SLIDE, value)
        self.rest()

    def fill(self, selector: str, text: str) -> None:
        self.page.fill(selector, text)
        self.rest()

    def until(self, expression: str) -> None:
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + 20
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, expression
            time.sleep(0.02)  # each question costs the browser, its driver and this process time

    def pixels(self, selector: str, shape: tuple[int, int, int]) -> np.ndarray:
        """Return opaque images on canvases (N, H, W, C), uint8; C = 1 must be grey."""
        height, width, channels = shape
        shown = b"".join(map(base64.b64decode, self.page.evaluate(PIXELS, selector)))
        found = np.frombuffer(shown, np.uint8).reshape(-1, height, width, 4)
        assert (found[..., 3] == 255).all()
        if channels == 1:
            assert (found[..., :1] == found[..., :3]).all()
        return found[..., :channels]

    def tiles(self, shape: tuple[int, int, int]) -> np.ndarray:
        return self.pixels("#tiles canvas", shape)

    def saved(self, selector: str, folder: Path) -> Path:
        """Click on a button that saves a file; returns its path."""
        with self.page.expect_download() as waiting:
            self.page.click(selector)
        path = folder / waiting.value.suggested_filename
        waiting.value.save_as(path)
        self.rest()
        return path

    def check(self) -> None:
        """Assert that there were no messages, and no requests but the page and its worker."""
        assert not self.messages, self.messages
        assert self.requests[0] == self.address
        assert all(url.startswith("blob:null/") for url in self.requests[1:])


# One for each set of options: a context and a process of its own take as long as three pages.
_VISITS: dict[str, Visit] = {}


@contextlib.contextmanager
def visiting(browser: Any, path: Path, **options: Any) -> Iterator[Visit]:
    """Load a page in a tab of the browser with these options, and check it at the end."""
    options = {"viewport": DESKTOP, "locale": "en-GB", **options}
    key = repr(sorted(options.items()))
    if key not in _VISITS:
        _VISITS[key] = Visit(browser, **options)
    visit = _VISITS[key]
    visit.go(path)
    yield visit
    visit.check()
