"""The report: one self-contained file without scripts or requests, with every name escaped."""

from __future__ import annotations

import base64
import io
import json
import re
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path

import japanese
import numpy as np
import pytest
from browser_helpers import needs_chromium
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from train_helpers import command, tiny

import ganbaru
from ganbaru import callbacks, train
from ganbaru.cli import options
from ganbaru.config import from_preset
from ganbaru.metrics import scorer
from ganbaru.report import chart, markup, reproduction, write
from ganbaru.report.pictures import embedded
from ganbaru.training import run_folder

HOSTILE = "<script>alert('x')</script>&\"'"
EMPTY = {"meta", "link", "img", "input"}


class Page(HTMLParser):
    """Reads a page: its elements and its text; refuses elements that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def picture(attributes: dict[str, str]) -> Image.Image:
    kind, _, content = attributes["src"].partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Two runs on digits, one of them evaluated during and after training, and for copies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorer, "RECIPE", scorer.Recipe(width=4, shown=2_560))
        patch.setattr(scorer, "RANDOM", 2)
        return _runs(tmp_path_factory.mktemp("reported"))


def _runs(folder: Path) -> Path:
    often = {"evaluate_every": 24, "evaluate_images": 50}
    for name, scoring in {"plain": {}, "scored": often}.items():
        config = tiny(folder, data="digits", image_size="16", steps=12, run=folder / "runs" / name,
                      **scoring)  # fmt: skip
        train(config, callbacks.standard())
    run = folder / "runs" / "scored"
    ganbaru.evaluate(run, number=100, scorer="random")
    ganbaru.authenticity(run, number=100)
    return folder


@pytest.fixture
def here(place, monkeypatch) -> Path:
    monkeypatch.chdir(place)
    return place


def read(run: Path) -> Page:
    return Page((run / "report.html").read_text(encoding="utf-8"))


# --- content ----------------------------------------------------------------------------------


def test_the_report_of_a_run_has_all_sections(here):
    page = read(here / "runs" / "plain")
    for part in ("plain", "digits, 16×16 grey: 96 images shown in", "Reproduce",
                 "ganbaru train digits", "Losses", "fixed latents over time", "Scores",
                 "Not scored yet", "Memorization", "Not measured yet", "Model card",
                 "1,497 images", "CC BY 4.0", "quality was not measured",
                 f"ganbaru {ganbaru.__version__}", f"NumPy {np.__version__}", "cores"):  # fmt: skip
        assert part in page.text, part
    grids = sorted((here / "runs" / "plain" / "samples").glob("*.png"))
    shown = page.of("img")
    assert len(grids) == len(shown) == 4
    for one, path in zip(shown, grids, strict=True):
        with Image.open(path) as drawn, picture(one) as found:
            assert found.tobytes() == drawn.tobytes()
    assert (here / "runs" / "plain" / "report.html").stat().st_size < 2_000_000


def test_the_command_adds_scores_and_the_neighbour_sheet(here):
    said = command("report", "scored")
    assert (said.code, said.out, said.err) == (0, "report: runs/scored/report.html\n", "")
    page = read(here / "runs" / "scored")
    found = json.loads((here / "runs" / "scored" / "scores.json").read_text())["evaluations"][0]
    for name in ("frechet", "coverage"):
        score = found["scores"][name]
        for number in ("value", "floor"):
            assert f"{score[number]:.4g}" in page.text
        assert f"{score['low']:.4g} to {score['high']:.4g}" in page.text
    assert "100 images of the best checkpoint" in page.text
    assert japanese.faults((here / "runs" / "scored" / "report.html").read_text("utf-8")) == []
    assert "No sign of copying" in page.text and "Held out: 300 test images" in page.text
    sheet = here / "runs" / "scored" / "authenticity" / "neighbours.png"
    with Image.open(sheet) as drawn, picture(page.of("img")[-1]) as shown:
        assert shown.tobytes() == drawn.tobytes()


def test_curves_are_drawn_at_the_values_of_the_log(here):
    page = read(here / "runs" / "plain")
    log = [json.loads(x) for x in (here / "runs" / "plain" / "log.jsonl").read_text().splitlines()]
    line = page.of("polyline")[0]
    points = np.array([[float(x) for x in one.split(",")] for one in line["points"].split()])
    assert len(points) == len(log) == 4
    images, losses = (np.array([one[name] for one in log]) for name in ("images", "d_loss"))
    # Places are a straight line of values: equal steps in images, and the heights of the losses.
    for places, values, sign in ((points[:, 0], images, 1), (points[:, 1], losses, -1)):
        slope, start = np.polyfit(values, places, 1)
        assert np.sign(slope) == sign
        np.testing.assert_allclose(places, slope * values + start, atol=0.11)


def test_scores_during_training_are_charted_with_baselines(here, tmp_path):
    run = tmp_path / "scored"
    shutil.copytree(here / "runs" / "scored", run)
    log = [json.loads(x) for x in (run / "log.jsonl").read_text().splitlines()]
    distances = np.array([40.0, 31.0, 33.0, 12.0])
    for line, distance in zip(log, distances, strict=True):
        assert line["frechet"] > 0
        line["frechet"] = distance
    (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    write(run_folder.Folder(run))
    page, floors = read(run), json.loads((run / "milestones.json").read_text())["floors"]
    assert "Fréchet distance (lower is better)" in page.text
    lines = [one["points"].split() for one in page.of("polyline")]
    # Precision and recall, and those of real images, are the last four.
    made, real = ([float(one.split(",")[1]) for one in line] for line in lines[-6:-4])
    slope, start = np.polyfit(distances, made, 1)
    np.testing.assert_allclose(made, slope * distances + start, atol=0.11)
    np.testing.assert_allclose(real, [slope * floors["frechet"] + start] * 2, atol=0.11)


@pytest.mark.parametrize(("low", "high"), [(0, 32_000), (-1.3, 2.6), (0.5, 0.5), (0, 0), (-3, -3),
                                           (1e-7, 3e-7), (0, 1e9), (0.99, 1.01)])  # fmt: skip
def test_scales_cover_their_range_with_a_few_round_ticks(low, high):
    scale = chart.Scale(low, high)
    assert scale.position(low) >= -1e-9 and scale.position(high) <= 1 + 1e-9
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 8 and len({text for _, text in ticks}) == len(ticks)


def test_large_images_are_shrunk_and_others_embedded_unchanged(tmp_path):
    drawn = np.linspace(0, 255, 1200 * 600).reshape(600, 1200).astype(np.uint8)
    Image.fromarray(drawn).save(tmp_path / "large.png")
    with picture({"src": embedded(tmp_path / "large.png", 400)}) as shown:
        assert shown.size == (400, 200)
        means = drawn.reshape(200, 3, 400, 3).mean(axis=(1, 3))
        assert np.abs(np.asarray(shown) - means).max() < 3
    content = embedded(tmp_path / "large.png", 1200).partition(",")[2]
    assert base64.b64decode(content) == (tmp_path / "large.png").read_bytes()


# --- no requests, no scripts ------------------------------------------------------------------


def test_the_page_has_no_scripts_and_no_links(here):
    text = (here / "runs" / "scored" / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "iframe", "object", "form"} & {name for name, _ in page.elements}
    for name, attributes in page.elements:
        assert not [key for key in attributes if key.startswith("on")], name
        for key in ("src", "href", "srcset"):
            assert attributes.get(key, "data:").startswith("data:")
    assert "default-src 'none'" in page.of("meta")[1]["content"]
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL).group(1)
    assert "url(" not in style and "@import" not in style and "light-dark(" in style


def test_hostile_names_are_escaped(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 1)).astype(np.uint8)
    labels = np.arange(60) % 2
    names = np.array([HOSTILE, "</style><img src=x>"])
    np.savez(tmp_path / "a&b.npz", images=images, labels=labels, classes=names)
    config = tiny(tmp_path, data=tmp_path / "a&b.npz", conditioning="planes",
                  run=tmp_path / "<b>run", steps=2)  # fmt: skip
    page = read(train(config, callbacks.standard()))
    assert HOSTILE in page.text and "<b>run" in page.text and "</style><img src=x>" in page.text
    assert all(one["src"].startswith("data:") for one in page.of("img")) and not page.of("b")


@given(st.text(), st.text())
def test_any_text_survives_escaping(text, attribute):
    clean = [one.translate({0: None, 13: None}) for one in (text, attribute)]
    page = Page(markup.tag("p", clean[0], title=clean[1]))
    assert page.text == clean[0] and page.elements == [("p", {"title": clean[1]})]


# --- the command to reproduce a run -----------------------------------------------------------

CHANGES = [
    {}, {"steps": 4}, {"images": 5000, "minutes": 3.5}, {"betas": (0.0, 0.9), "penalty": "r1+r2"},
    {"data": "my pictures/a'b.npz"}, {"short_batch": True, "ema": 0.0}, {"clip": 0.01},
    {"objective": "hinge", "schedule": "linear:start=10,end=20"}, {"seed": 7, "width": 8},
]  # fmt: skip


@pytest.mark.parametrize("preset", ["digits", "dcgan", "cgan-mnist", "dcgan-cats"])
@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_the_command_gives_the_same_configuration(preset, changes):
    config = from_preset(preset, **changes)
    words = shlex.split(reproduction.command(config, "name"))
    assert words[:2] == ["ganbaru", "train"]
    assert options.config("train", "", words[2:]) == config


def test_what_no_flag_expresses_is_reproduced_from_the_file(tmp_path):
    config = from_preset("digits", image_size=None, run="a b")
    said = reproduction.command(config, "a b")
    assert said == "ganbaru train --config 'a b/config.yaml' --run 'a b'-2"
    assert reproduction.command(ganbaru.Config(steps=3), "x").startswith(
        "ganbaru train --config x/"
    )


def test_a_run_that_ends_by_time_states_its_steps(here, tmp_path):
    run = train(tiny(here, steps=None, minutes=0.01, run=tmp_path / "r"),
                         callbacks.standard())  # fmt: skip
    last = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert f"--steps {int(last['step'])}." in read(run).text


# --- missing or damaged files -----------------------------------------------------------------


def test_an_older_run_is_reported_from_its_checkpoint(here, tmp_path):
    run = tmp_path / "old"
    shutil.copytree(here / "runs" / "plain", run)
    (run / "about.json").unlink()
    write(run_folder.Folder(run))
    assert "Not recorded." in read(run).text and "digits, 16×16 grey" in read(run).text


@pytest.mark.parametrize("name", ["about.json", "scores.json", "milestones.json",
                                  "authenticity/result.json",
                                  "samples/0000000096.png"])  # fmt: skip
def test_a_damaged_file_is_named(here, tmp_path, name):
    run = tmp_path / "damaged"
    shutil.copytree(here / "runs" / "scored", run)
    (run / name).write_bytes((run / name).read_bytes()[:40])
    before = (run / "report.html").read_bytes()
    said = command("report", run)
    assert said.code == 2 and said.err.count("\n") == 1
    assert name in said.err and "Delete it" in said.err
    assert (run / "report.html").read_bytes() == before


def test_a_folder_that_is_no_run(here):
    said = command("report", "plian")
    assert said.code == 2 and "Did you mean 'plain'?" in said.err


def test_an_interrupted_run_has_its_report(tmp_path):
    """It is written at the start and with each grid."""
    config = tiny(tmp_path, steps=12)
    seen = []

    class Stop:
        def start(self, run):
            assert run.folder.report.exists()

        def step(self, run, report):
            seen.append(len(read(run.folder.path).of("img")))

        def end(self, run):
            """Nothing to finish."""

    train(config, [*callbacks.standard(), Stop()])
    assert seen[0] == 1 and seen[5] == 2 and seen == sorted(seen)


# --- in a browser -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium():
    from page_helpers import browsing

    with browsing() as browser:
        yield browser


def browsed(browser, page: Path, shot: Path, width: int) -> tuple[list[str], list[str]]:
    """Open a page and draw it as a file; return the console's messages and requests but its own."""
    opened = browser.new_page(viewport={"width": width, "height": 4000})
    messages, requests = [], []
    opened.on("console", lambda message: messages.append(message.text))
    opened.on("pageerror", lambda error: messages.append(str(error)))
    opened.on("request", lambda request: requests.append(request.url))
    opened.goto(page.as_uri())
    opened.screenshot(path=shot)
    opened.close()
    assert requests[0] == page.as_uri()
    return messages, [url for url in requests[1:] if not url.startswith("data:")]


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("width", [1280, 500])
def test_a_browser_shows_it_without_messages_or_requests(here, chromium, tmp_path, width):
    page, shot = here / "runs" / "scored" / "report.html", tmp_path / "shot.png"
    assert browsed(chromium, page, shot, width) == ([], [])
    with Image.open(shot) as drawn:
        assert drawn.size == (width, 4000)
        some = np.asarray(drawn.convert("RGB"))[::4, ::4].reshape(-1, 3)  # all would take seconds
    assert len(np.unique(some, axis=0)) > 100 and some.std() > 20


@pytest.mark.slow
@needs_chromium
def test_a_page_with_requests_and_messages_is_noticed(chromium, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text('<img src="http://127.0.0.1:9/x.png"><script>console.error("x")</script>')
    messages, requests = browsed(chromium, page, tmp_path / "shot.png", 500)
    assert "x" in messages and requests == ["http://127.0.0.1:9/x.png"]
