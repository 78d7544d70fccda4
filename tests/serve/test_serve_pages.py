"""The pages in Chromium during a real run: on phone and desktop, by keyboard, in Japanese."""

from __future__ import annotations

import base64
import signal
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import numpy as np
import pytest
from browser_helpers import needs_chromium
from page_helpers import PIXELS, SLIDE, browsing
from PIL import Image
from serve_helpers import serving
from train_helpers import background, pictures, trained, until

from ganbaru import load
from ganbaru.report.translations import TRANSLATIONS
from ganbaru.sampling import image_io

pytestmark = needs_chromium

PHONE, DESKTOP = (390, 844), (1280, 900)
TRAINING = (
    "--data",
    "pictures.npz",
    "--width",
    4,
    "--latent",
    8,
    "--batch",
    8,
    "--engine",
    "numpy",
    "--minutes",
    30,  # also passes while it is halted
    "--log-every",
    160,
    "--sample-every",
    800,
    "--checkpoint-every",
    1600,
    "--run",
    "runs/learning",
)


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """Yield a folder with a finished run and one in training, halted, and its process."""
    folder = tmp_path_factory.mktemp("pages")
    trained(folder, run=folder / "runs" / "done", steps=40, sample_every=80)
    pictures(folder / "pictures.npz")
    with background("train", "digits", *TRAINING, cwd=folder) as process:
        log = folder / "runs" / "learning" / "log.jsonl"
        until(lambda: log.exists() and log.read_text().count("\n") > 2, process)
        process.send_signal(signal.SIGSTOP)  # or it takes a core from all the other tests
        yield folder, process


@pytest.fixture(scope="module")
def home(training):
    return training[0]


@pytest.fixture
def going_on(training) -> Iterator[None]:
    """Let the run in training go on during a test."""
    training[1].send_signal(signal.SIGCONT)
    yield
    training[1].send_signal(signal.SIGSTOP)


@pytest.fixture(scope="module")
def service(home):
    with serving(home / "runs" / "done", home / "runs" / "learning", cwd=home) as found:
        yield found


@pytest.fixture(scope="module")
def chromium():
    with browsing() as browser:
        yield browser


class Visit:
    """An open page, and its errors, warnings and requests to other sites."""

    def __init__(self, chromium, service, size=DESKTOP, **options):
        width, height = size
        self.context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        self.page, self.home = self.context.new_page(), service.url
        self.wrong: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", self._console)
        self.page.on("request", self._request)

    def _console(self, message) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(message.text)

    def _request(self, request) -> None:
        if urlsplit(request.url.removeprefix("blob:")).netloc != urlsplit(self.home).netloc:
            self.wrong.append(f"requested {request.url}")

    def go(self, path: str):
        self.page.goto(self.home + path)
        shown(self.page, "document.querySelector('.connection').dataset.state === 'connected'")
        return self.page


@pytest.fixture
def visit(chromium, service) -> Iterator:
    visits = []

    def begin(size=DESKTOP, **options) -> Visit:
        visits.append(Visit(chromium, service, size, **options))
        return visits[-1]

    yield begin
    for one in visits:
        one.context.close()
        assert one.wrong == []


def shown(page, expression: str) -> None:
    """Wait until an expression is true in the page.

    Playwright's own wait has the page evaluate text, which its content security policy forbids.
    """
    deadline = time.monotonic() + 30
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        time.sleep(0.05)


def overflows(page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def loaded(page, selector: str) -> bool:
    return page.eval_on_selector(selector, "image => image.complete && image.naturalWidth > 0")


LIGHT, DARK = ("light", "251, 250, 247"), ("dark", "21, 24, 28")


@pytest.mark.parametrize(
    "size,scheme,paper",
    [
        (PHONE, *LIGHT),
        (DESKTOP, *DARK),
        pytest.param(PHONE, *DARK, marks=pytest.mark.extended),
        pytest.param(DESKTOP, *LIGHT, marks=pytest.mark.extended),
    ],
)
def test_the_start_page_lists_all_runs(visit, size, scheme, paper):
    page = visit(size, color_scheme=scheme).go("/")
    cards = page.query_selector_all(".card")
    assert [card.query_selector("h2").inner_text() for card in cards] == ["done", "learning"]
    assert loaded(page, '[data-run="done"] img') and overflows(page) <= 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == f"rgb({paper})"
    assert cards[0].query_selector(".state").inner_text() == "Finished"
    cards[0].query_selector("h2 a").click()
    page.wait_for_url("**/runs/done")


def test_the_page_of_a_run_updates_during_training(visit, going_on):
    page = visit().go("/runs/learning")
    assert page.inner_text(".state") == "Training"
    assert page.inner_text(".connection") == TRANSLATIONS["en"]["connected"]  # while it learns
    assert page.inner_text(".findings p")
    before = page.evaluate("document.body.innerText")
    bar = page.eval_on_selector("progress", "bar => bar.value")
    grids = len(page.query_selector_all(".charts svg"))
    assert grids == 2
    first = page.get_attribute(".hero img", "src")
    shown(page, f"document.querySelector('.hero img').getAttribute('src') !== '{first}'")
    assert page.eval_on_selector("progress", "bar => bar.value") > bar
    assert page.evaluate("document.body.innerText") != before
    assert "left" in page.inner_text(".summary")
    page.wait_for_selector('[data-show="ready"]:not([hidden])')  # its first checkpoint
    newest = page.get_attribute(".hero img", "src")
    numbers = [int(address.split("/")[-1].removesuffix(".png")) for address in (first, newest)]
    assert numbers[0] < numbers[1]


def test_the_start_page_updates_during_training(visit, going_on):
    page = visit().go("/")
    text = '[data-run="learning"] .summary'
    before, done = page.inner_text(text), page.inner_text('[data-run="done"] .summary')
    shown(page, f"document.querySelector('{text}').innerText !== '{before}'")
    assert page.inner_text('[data-run="done"] .summary') == done


def test_the_slider_goes_through_the_grids_by_keyboard(visit):
    page = visit(PHONE).go("/runs/done")
    images = page.eval_on_selector(".pictures", "part => JSON.parse(part.dataset.numbers)")
    assert images == [0, 80, 160, 240, 320]
    slider = page.query_selector('input[type="range"]')
    slider.focus()
    page.keyboard.press("Home")
    shown(page, "document.querySelector('.hero img').src.endsWith('/0.png')")
    assert page.inner_text("figcaption") == "after 0 images"
    page.keyboard.press("ArrowRight")
    shown(page, "document.querySelector('.hero img').src.endsWith('/80.png')")
    button = page.query_selector("button")
    button.press("Enter")
    assert button.inner_text() == "Pause"
    shown(page, "document.querySelector('.hero img').src.endsWith('/320.png')")
    shown(page, "document.querySelector('button').innerText.startsWith('Play')")
    assert slider.get_attribute("aria-valuetext") == "after 320 images" and overflows(page) <= 0


def test_japanese(visit):
    page = visit(PHONE, locale="ja-JP").go("/runs/done")
    assert page.get_attribute("html", "lang") == "ja"
    assert page.inner_text(".state") == "完了" and "損失" in page.inner_text(".charts")
    assert overflows(page) <= 0


def test_a_lost_connection_is_shown_and_restored(chromium, home):
    with serving(home / "runs" / "done", cwd=home) as first:
        begun = Visit(chromium, first)
        page = begun.go("/runs/done")
    shown(page, "document.querySelector('.connection').dataset.state === 'lost'")
    assert page.inner_text(".connection") == TRANSLATIONS["en"]["lost"]
    with serving(home / "runs" / "done", cwd=home, options=("--port", first.port)):
        shown(page, "document.querySelector('.connection').dataset.state === 'connected'")
    begun.context.close()
    assert all("net::ERR" in text for text in begun.wrong)


def test_the_playground_of_a_model(visit, service):
    """It works when served as it does from a file."""
    begun = visit()
    page = begun.page
    page.goto(f"{service.url}/models/done/play")
    shown(page, "document.querySelector('[aria-busy=\"false\"]')")
    assert page.query_selector("canvas")


def test_a_picture_is_uploaded_in_the_playground(visit, service, home, tmp_path):
    """It is shown beside the image found, sliders move that, and it is an end of a morph."""
    own = load(home / "runs" / "done").sample(1, 10**6)[0, ..., 0]
    Image.fromarray(own).resize((40, 30)).save(tmp_path / "own.png")
    (tmp_path / "notes.png").write_text("some text")
    page = visit(PHONE).page
    page.goto(f"{service.url}/models/done/play")
    page.set_input_files("#own-file", tmp_path / "notes.png")
    shown(page, "document.getElementById('own-note').innerText.includes('PNG')")
    with page.expect_response("**/projections") as answer:
        page.set_input_files("#own-file", tmp_path / "own.png")
    found = answer.value.json()
    shown(page, "!document.getElementById('own-found').hidden")
    shown(page, STILL)
    error = f"{255 * found['error']:.1f} levels"
    assert error in page.inner_text("#own-note") and loaded(page, "#own-picture")
    latent, weights = (np.array([found[each]], "f4") for each in ("latent", "weights"))
    expected = image_io.to_bytes(load(home / "runs" / "done").floats(latent, weights))
    assert abs(seen(page, "#own-image") - expected[0, ..., 0]).max() <= 1
    page.click("#own-second")
    page.eval_on_selector("#moment", SLIDE, 30)
    shown(page, STILL)
    assert abs(seen(page, "#film") - expected[0, ..., 0]).max() <= 1
    assert page.get_attribute("#end-second", "aria-label") == "Your picture"
    page.eval_on_selector("#direction-1", SLIDE, 2)
    shown(page, STILL)
    assert abs(seen(page, "#own-image") - expected[0, ..., 0]).max() > 1
    assert overflows(page) <= 0
    page.fill("#second", "9")
    shown(page, STILL)
    assert page.get_attribute("#end-second", "aria-label").startswith("Seed 9")


STILL = "document.getElementById('stage').ariaBusy === 'false'"


def seen(page, selector: str) -> np.ndarray:
    """Return a grey image on a canvas (H, W) as integers."""
    shape = page.eval_on_selector(selector, "canvas => [canvas.height, canvas.width]")
    content = base64.b64decode(page.evaluate(PIXELS, selector)[0])
    return np.frombuffer(content, np.uint8).reshape(*shape, 4)[..., 0].astype(int)
