"""Time of an image in the exported page, in Chromium: python -m bench.page

Each page is opened from its file, once as it is and once with an invalid WebAssembly kernel, so
that plain JavaScript computes. Reported are medians of single images, as the worker times them, and
of grids, from the click to the last image; and the longest time without a drawn frame while a grid
was generated. Needs Chromium and playwright.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ganbaru import Config, export
from ganbaru.config import from_preset
from ganbaru.export.page import html
from ganbaru.training import setup

from . import reporting
from .interleaved import Row, Spread, Table

# Targets: 30 ms for 28x28, 400 ms for 64x64, 400 kB of code.
PAGES: dict[str, dict[str, Any]] = {
    "mnist 28x28, width 24": {"preset": "mnist", "image_size": "28"},
    "dcgan 64x64, width 64": {"preset": "dcgan", "image_size": "64"},
}
TURNS = 15
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Clicks; returns the milliseconds until the work is done and the longest time without a frame.
TIMED = """button => new Promise((done) => {
  const [stage, began] = [document.getElementById("stage"), performance.now()];
  let [last, longest, drawing] = [began, 0, true];
  const frame = (now) => {
    longest = Math.max(longest, now - last);
    last = now;
    if (drawing) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  new MutationObserver((_, observer) => {
    if (stage.getAttribute("aria-busy") === "true") return;
    observer.disconnect();
    drawing = false;
    done([performance.now() - began, longest]);
  }).observe(stage, { attributes: true });
  document.getElementById(button).click();
})"""


def written(folder: Path, preset: str, **options: Any) -> Path:
    """Export the page of a preset's initial weights; the speed does not depend on them."""
    data = {"data": "digits", "run": folder / "run", "engine": "numpy"}
    config: Config = from_preset(preset, **data, **options)
    run = setup.build(config)
    run.save()
    export.write(run.folder.path, folder / "page.html")
    return folder / "page.html"


def plain(path: Path) -> Path:
    """Return a copy of a page without its kernel."""
    text = re.sub(r'(id="code">)[\w+/=]+', r"\1", path.read_text(encoding="utf-8"))
    copy = path.with_name("plain.html")
    copy.write_text(text, encoding="utf-8")
    return copy


def measured(browser: Any, path: Path) -> Row:
    """Open a page and time its images."""
    page = browser.new_page(viewport={"width": 1280, "height": 860}, locale="en")
    page.goto(path.as_uri())
    page.wait_for_selector("#stage[aria-busy=false]", timeout=120_000)
    count = page.locator("#tiles canvas").count()
    grids = [page.evaluate(TIMED, "random") for _ in range(TURNS)]
    page.click("#tab-picture")
    page.wait_for_selector("#stage[aria-busy=false]")
    single = []
    for _ in range(TURNS):
        page.evaluate(TIMED, "next")
        (each,) = re.findall(r"([\d.]+) ms", page.inner_text("#status"))
        single.append(float(each))
    page.close()
    whole = Spread.of([seconds for seconds, _ in grids])
    return {
        "a picture, ms": Spread.of(single).middle,
        f"grid of {count}, ms": whole.middle,
        "pictures/s": 1000 * count / whole.middle,
        "longest without a frame, ms": Spread.of([gap for _, gap in grids]).middle,
    }


def pages(browser: Any) -> list[Table]:
    """Measure each page with WebAssembly and without."""
    tables = []
    for name, options in PAGES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = written(Path(folder), **options)
            rows = [
                {"computed by": computer, **measured(browser, each)}
                for computer, each in (("WebAssembly", path), ("JavaScript", plain(path)))
            ]
            size = f"{path.stat().st_size / 1e6:.2f} MB, of which {html.code_bytes():,} "
            tables.append(Table(name, rows, (f"{size}bytes of code.",)))
    return tables


def chromium() -> str | None:
    """Return the path of a browser that playwright can control."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def main() -> None:
    """Measure and print."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    if path is None:
        raise SystemExit(f"No browser found: install one of {', '.join(BROWSERS)}.")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        facts = reporting.about([], "python -m bench.page")
        facts["versions"]["Chromium"] = browser.version
        print(reporting.heading(facts), *map(reporting.section, pages(browser)), sep="\n")
        browser.close()


if __name__ == "__main__":
    main()
