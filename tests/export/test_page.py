"""The page in a real Chromium: its images against `generate`, and every control."""

from __future__ import annotations

import json
import re
from itertools import product

import numpy as np
import pytest
from bench import page
from browser_helpers import needs_chromium
from native_helpers import save
from page_helpers import PHONE, browsing, exported, visiting
from PIL import Image, ImageSequence
from train_helpers import pictures

from ganbaru import export, load, registry
from ganbaru.latents import edits, embedding, named
from ganbaru.sampling import directions, image_io, latent_spaces

pytestmark = needs_chromium
SHAPE = (16, 16, 1)


@pytest.fixture(scope="module")
def chromium():
    with browsing() as browser:
        yield browser


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """Return the page of a tiny generator of three classes."""
    return exported(tmp_path_factory.mktemp("conditional"))


@pytest.fixture(scope="module")
def generator(conditional):
    return load(conditional.parent / "run")


@pytest.fixture
def visit(chromium, conditional):
    with visiting(chromium, conditional) as found:
        yield found


def apart(found: np.ndarray, expected: np.ndarray) -> int:
    """Return the largest difference between two sets of images, in 255ths."""
    assert found.shape == expected.shape
    assert expected.std() > 5  # else agreement would mean little
    return int(np.abs(found.astype(int) - expected.astype(int)).max())


# --- images -----------------------------------------------------------------------------------

NETWORKS = [name for name in registry.names("networks") if name != "sagan"]  # no attention in pages
# Conditionings that change the generator: a label beside the latent meets a transposed convolution
# or a linear layer first, and class norm works alike in all networks with norms.
CASES = [
    *((network, "none") for network in NETWORKS),
    ("dcgan", "planes"),
    ("resnet", "class-norm"),
    *(
        pytest.param(*case, marks=pytest.mark.extended)
        for case in (("dcgan-mlp", "planes"), ("resnet", "planes"), ("dcgan", "class-norm"))
    ),
]


@pytest.mark.parametrize(("network", "conditioning"), CASES)
def test_seeds_give_the_images_of_generate(chromium, tmp_path, network, conditioning):
    objective = "two-class" if network == "dcgan-5x5" else "non-saturating"
    options = {"network": network, "conditioning": conditioning, "objective": objective}
    if network == "r3gan":
        options["width"] = 24  # three groups of channels
    path = exported(tmp_path, **options)
    with visiting(chromium, path) as visit:
        found = visit.tiles(SHAPE)
        assert len(found) == (48 if conditioning == "none" else 36)  # six rows
        assert apart(found, load(tmp_path / "run").sample(len(found))) <= 1


@pytest.mark.parametrize("distribution", latent_spaces.SPACES)
@pytest.mark.parametrize("sides", [(16, 24), pytest.param((28, 32), marks=pytest.mark.extended)])
def test_colours_sizes_and_latent_distributions(chromium, tmp_path, distribution, sides):
    size = f"{sides[0]}x{sides[1]}"
    data = pictures(tmp_path / "colours.npz", side=16, channels=3)
    path = exported(
        tmp_path, data=data, image_size=size, distribution=distribution, spectral_norm="both"
    )
    expected = load(tmp_path / "run").sample(36)
    with visiting(chromium, path) as visit:
        assert apart(visit.tiles((*sides, 3)), expected) <= 1


@pytest.mark.parametrize("distribution", latent_spaces.SPACES)
def test_truncation_and_morphs_agree_with_the_commands(chromium, tmp_path, distribution):
    path = exported(tmp_path, distribution=distribution)
    of = load(tmp_path / "run")
    with visiting(chromium, path) as visit:
        visit.slide("#truncation", 0.4)
        assert apart(visit.tiles(SHAPE), of.sample(36, truncation=0.4)) <= 1
        visit.slide("#truncation", 1)
        visit.click("#tab-morph")
        visit.fill("#first", "5")
        visit.fill("#second", "9")
        film = np.stack(list(of.morph("slerp", (5, 9), frames=31)))
        for i in (0, 7, 15, 30):
            visit.slide("#moment", i)
            assert apart(visit.pixels("#film", SHAPE), film[i : i + 1]) <= 1


def test_float32_weights_give_the_same_images(chromium, tmp_path):
    with visiting(chromium, exported(tmp_path, "float32")) as visit:
        assert apart(visit.tiles(SHAPE), load(tmp_path / "run").sample(36)) <= 1
        assert "32 bits" in visit.page.text_content("#facts")


def test_benchmark_reports_its_measurements(chromium, conditional, monkeypatch):
    monkeypatch.setattr(page, "TURNS", 2)
    found = page.measured(chromium, conditional)
    assert set(found) > {"a picture, ms", "grid of 36, ms"}
    assert all(0 < value < 60_000 for value in found.values())
    assert found["pictures/s"] == pytest.approx(36_000 / found["grid of 36, ms"])


def test_images_are_the_same_without_webassembly(chromium, conditional, generator):
    with visiting(chromium, page.plain(conditional)) as visit:
        assert apart(visit.tiles(SHAPE), generator.sample(36)) <= 1
        assert "JavaScript" in visit.page.text_content("#facts")


def test_page_shows_a_failure(chromium, conditional, tmp_path):
    text = conditional.read_text(encoding="utf-8")
    (tmp_path / "cut.html").write_text(re.sub(r'(id="content">).*', r"\1AAAA</script>", text))
    context = chromium.new_context(locale="en-GB")
    opened = context.new_page()
    opened.goto((tmp_path / "cut.html").as_uri())
    opened.wait_for_selector("#failure:visible")
    assert "cannot generate the images" in opened.inner_text("#failure")
    context.close()


def test_webassembly_is_used(visit):
    assert "WebAssembly" in visit.page.text_content("#facts")


@pytest.mark.parametrize("seed", [0, 7, 2**53 + 1, 2**63 - 36])
def test_any_seed_can_be_entered(visit, generator, seed):
    visit.fill("#seed", str(seed))
    assert apart(visit.tiles(SHAPE)[:35], generator.sample(35, seed)) <= 1


def test_invalid_seed_is_marked_and_ignored(visit, generator):
    for text in ("", "-1", "1.5", "seven", str(2**63), "1e3"):
        visit.page.fill("#seed", text)
        assert visit.page.get_attribute("#seed", "aria-invalid") == "true"
        assert "integer" in visit.page.inner_text("#status")
    assert apart(visit.tiles(SHAPE), generator.sample(36)) <= 1
    visit.fill("#seed", "3")
    assert visit.page.get_attribute("#seed", "aria-invalid") is None


# --- every control ----------------------------------------------------------------------------


def test_seed_buttons(visit, generator):
    visit.click("#greater")
    visit.click("#greater")
    visit.click("#less")
    assert apart(visit.tiles(SHAPE), generator.sample(36, 1)) <= 1
    visit.click("#random")
    seed = int(visit.page.input_value("#seed"))
    assert apart(visit.tiles(SHAPE), generator.sample(36, seed)) <= 1


def test_classes_are_selected_and_blended(visit, generator):
    visit.click("#classes label:nth-child(3)")
    assert apart(visit.tiles(SHAPE), generator.sample(36, labels=1)) <= 1
    visit.page.select_option("#blend", "2")
    visit.slide("#blend-share", 0.25)
    latents = generator.latents(range(36))
    weights = np.tile(np.float32([0, 0.75, 0.25]), (36, 1))
    assert apart(visit.tiles(SHAPE), image_io.to_bytes(generator.floats(latents, weights))) <= 1
    visit.page.select_option("#blend", "")
    visit.click("#classes label:nth-child(1)")
    assert apart(visit.tiles(SHAPE), generator.sample(36)) <= 1


def test_directions_move_the_latents(visit, generator):
    directions = np.array(visit.page.evaluate("JSON.parse(model.textContent).directions"))
    assert directions.shape == (8, 8)
    np.testing.assert_allclose(directions @ directions.T, np.eye(8), atol=1e-5)
    visit.slide("#direction-1", 1.5)
    visit.slide("#direction-3", -2)
    moved = generator.latents(range(36)) + 1.5 * directions[0] - 2 * directions[2]
    images = generator.floats(moved.astype(np.float32), generator.labels(range(36)))
    assert apart(visit.tiles(SHAPE), image_io.to_bytes(images)) <= 1
    visit.click("#reset")
    assert visit.page.input_value("#direction-1") == "0"
    assert apart(visit.tiles(SHAPE), generator.sample(36)) <= 1


NAMED = "JSON.parse(model.textContent)"


def test_named_directions_move_images_as_edit_does(chromium, tmp_path):
    """Those of a run are sliders by default; one that is a main direction is not there twice."""
    run = save(tmp_path, distribution="uniform").folder.path
    odd = np.eye(8)[3] * 0.6 + np.eye(8)[5] * 0.8
    about = {"of": 40, "accuracy": 0.93, "chance": 0.5, "pixels": 4.2}
    found = {"odd": directions.Direction(odd.tolist(), "answers", "7", **about)}
    directions.write(run / directions.FILE, found)
    named.directions(run, main=1, progress=False)
    export.write(run, tmp_path / "page.html")
    with visiting(chromium, tmp_path / "page.html") as visit:
        known = [each["name"] for each in visit.page.evaluate(f"{NAMED}.named")]
        assert known == ["odd", "main-1"]
        assert visit.page.evaluate(f"{NAMED}.directions.length") == 7 + 2
        sliders = "#named-sliders input"
        first, second = visit.page.eval_on_selector_all(sliders, "all => all.map(x => `#${x.id}`)")
        visit.slide(first, 1.5)
        visit.slide(second, -2)
        expected = edits.edit(run, {"odd": 1.5, "main-1": -2}, None, number=36, progress=False)
        assert apart(visit.tiles(SHAPE), expected.images) <= 1
        said = visit.page.inner_text("#command")
        assert said == "ganbaru edit RUN --seed 0 -n 36 --along odd=1.5 --along main-1=-2"
        facts = visit.page.inner_text(f"{first}-note")
        assert all(part in facts for part in ("40 images", "93 %", "50 %", "after 7 images"))
        visit.click("#reset-named")
        assert apart(visit.tiles(SHAPE), load(run).sample(36)) <= 1
    for names in (["odd"], []):
        export.write(run, tmp_path / "page.html", directions=names)
        model = re.search('id="model">(.*?)</script>', (tmp_path / "page.html").read_text())
        assert [each["name"] for each in json.loads(model[1])["named"]] == names


BIG = 2**53 + 1  # a seed that no double is


def test_map_shows_the_image_of_a_dot(chromium, tmp_path):
    """By click, where the nearest dot counts, and by keys."""
    run = save(tmp_path).folder.path
    points = np.array([[0.5, 0.5], [0, 0], [1, 0], [0, 1], [1, 1]])
    seeds = np.array([-1, 7, BIG, 12, 5])
    placed = embedding.Embedding(points, np.zeros((5, 16, 16, 1), "u1"), seeds, 0.4, "pca", None)
    export.write(run, tmp_path / "page.html", seed_map=lambda: placed)
    of = load(run)
    with visiting(chromium, tmp_path / "page.html") as visit:
        visit.click("#tab-map")
        box = visit.page.locator("#map-dots").bounding_box()
        visit.page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 0.1 * box["height"])
        visit.rest()
        assert apart(visit.pixels("#mapped", SHAPE), of.sample(1, BIG)) <= 1
        assert visit.page.input_value("#seed") == str(BIG)
        visit.page.focus("#map-area")
        for key, seed in (("ArrowLeft", 7), ("ArrowDown", 12), ("ArrowDown", 12), ("End", 5)):
            visit.page.keyboard.press(key)
            visit.rest()
            assert apart(visit.pixels("#mapped", SHAPE), of.sample(1, seed)) <= 1
            said = visit.page.get_attribute("#map-area", "aria-valuetext")
            assert said == visit.page.inner_text("#map-caption") == f"Seed {seed}, class {seed % 3}"
        visit.page.keyboard.press("Enter")
        visit.rest()
        assert apart(visit.pixels("#single", SHAPE), of.sample(1, 5)) <= 1


DRAG = """async (slider) => {
  for (let value = -4; value <= 2; value += 0.1) {
    slider.value = value;
    slider.dispatchEvent(new Event("input"));
    await new Promise(requestAnimationFrame);
  }
}"""


def test_dragged_slider_ends_with_the_images_of_its_last_value(visit, generator):
    visit.page.eval_on_selector("#direction-2", DRAG)
    visit.rest()
    value = float(visit.page.input_value("#direction-2"))
    direction = np.array(visit.page.evaluate("JSON.parse(model.textContent).directions"))[1]
    moved = (generator.latents(range(36)) + value * direction).astype(np.float32)
    images = generator.floats(moved, generator.labels(range(36)))
    assert apart(visit.tiles(SHAPE), image_io.to_bytes(images)) <= 1


def test_cancelled_gif_is_not_a_failure(visit):
    visit.click("#tab-morph")
    visit.page.evaluate("() => { document.getElementById('save-gif').click(); }")
    visit.click("#tab-grid")
    assert not visit.page.is_visible("#failure")
    visit.click("#tab-morph")
    assert visit.page.is_enabled("#save-gif")


def test_grid_image_opens_large_and_starts_a_morph(visit, generator):
    visit.click("#more")
    assert apart(visit.tiles(SHAPE), generator.sample(72)) <= 1
    visit.click("#tiles button:nth-child(8)")
    assert apart(visit.pixels("#single", SHAPE), generator.sample(1, 7)) <= 1
    assert visit.page.inner_text("#caption") == "Seed 7, class 1"
    visit.click("#next")
    visit.click("#as-second")
    assert apart(visit.pixels("#end-second", SHAPE), generator.sample(1, 8)) <= 1
    visit.click("#tab-picture")
    visit.click("#previous")
    visit.click("#as-first")
    ends = [*visit.pixels("#end-first", SHAPE), *visit.pixels("#end-second", SHAPE)]
    assert apart(np.stack(ends), generator.sample(2, 7)) <= 1
    assert visit.page.inner_text("#command") == "ganbaru morph RUN --seeds 7,8 --bounce"
    visit.page.select_option("#second-class", "0")
    visit.slide("#moment", 30)
    assert apart(visit.pixels("#film", SHAPE), generator.sample(1, 8, labels=0)) <= 1
    said = visit.page.inner_text("#command")
    assert said == "ganbaru morph RUN --seeds 7,8 --labels 1,0 --bounce"


def test_morph_plays_forth_and_back(visit):
    visit.click("#tab-morph")
    visit.page.click("#play")
    assert visit.page.inner_text("#play") == "Pause"
    value = "document.getElementById('moment').value"
    visit.until(f"{value} === '30'")
    visit.until(f"Number({value}) < 28")
    visit.page.click("#play")
    before = visit.page.evaluate(value)
    visit.page.wait_for_timeout(300)
    assert visit.page.evaluate(value) == before
    assert visit.page.inner_text("#play") == "Play"


# --- files ------------------------------------------------------------------------------------


def test_saved_grid_is_that_of_generate(visit, generator, tmp_path):
    path = visit.saved("#save-png", tmp_path)
    assert path.name == "digits-grid-0.png"
    assert visit.page.inner_text("#status") == "Saved as digits-grid-0.png"
    expected = image_io.grid(generator.sample(36), image_io.columns(3))
    found = np.array(Image.open(path).convert("L"))
    times = found.shape[0] // expected.shape[0]
    assert found.shape == (times * expected.shape[0], times * expected.shape[1])
    assert max(found.shape) >= 512
    for i in range(times):
        assert apart(found[i::times, i::times, None], expected) <= 1


@pytest.mark.parametrize(("tab", "times"), [("picture", 32), ("morph", 32)])
def test_saved_image_is_enlarged(visit, generator, tmp_path, tab, times):
    visit.fill("#seed", "4")
    visit.click(f"#tab-{tab}")
    found = np.array(Image.open(visit.saved("#save-png", tmp_path)).convert("L"))
    assert found.shape == (16 * times, 16 * times)
    expected = generator.sample(1, 4)[0, :, :, 0].repeat(times, 0).repeat(times, 1)
    assert apart(found, expected) <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_saved_gif_is_the_morph_forth_and_back(chromium, tmp_path, channels):
    data = pictures(tmp_path / "set.npz", channels=channels)
    path = exported(tmp_path, data=data)
    with visiting(chromium, path) as visit:
        visit.click("#tab-morph")
        visit.fill("#second", "6")
        path = visit.saved("#save-gif", tmp_path)
        assert visit.page.inner_text("#status") == "Saved as digits-morph-0-6.gif"
    with Image.open(path) as saved:
        assert saved.info["loop"] == 0
        frames = [
            (x.info["duration"], np.array(x.convert("RGB"))) for x in ImageSequence.Iterator(saved)
        ]
    assert [duration for duration, _ in frames] == [50] * 60
    film = load(tmp_path / "run").morph("slerp", (0, 6), frames=60, bounce=True)
    expected = np.stack([image_io.enlarge(frame, 256) for frame in film])
    found = np.stack([frame for _, frame in frames])
    assert found.shape[1:] == (256, 256, 3)
    # 16x16 pixels have at most 256 colours, so the GIF is lossless.
    assert apart(found, np.broadcast_to(expected, found.shape)) <= 1


# --- languages, colours, sizes, keys ----------------------------------------------------------


def test_language_of_the_browser(chromium, conditional):
    with visiting(chromium, conditional, locale="ja-JP") as visit:
        assert visit.page.get_attribute("html", "lang") == "ja"
        assert visit.page.inner_text("#tab-grid") == "一覧"
        assert visit.page.get_attribute("#tiles button", "aria-label") == "シード 0、クラス 0"
        visit.page.check("#language-en", force=True)
        visit.rest()
        assert visit.page.get_attribute("html", "lang") == "en"
        assert visit.page.inner_text("#tab-grid") == "Grid"
    with visiting(chromium, conditional, locale="de-DE") as visit:
        assert visit.page.get_attribute("html", "lang") == "en"


def luminance(visit) -> float:
    colour = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour))) / 3


def test_light_and_dark_colours(chromium, conditional):
    for scheme, dark in (("light", False), ("dark", True)):
        with visiting(chromium, conditional, color_scheme=scheme) as visit:
            assert (luminance(visit) < 60) is dark
            visit.page.check("#theme-light", force=True)
            assert luminance(visit) > 200
            visit.page.check("#theme-dark", force=True)
            assert luminance(visit) < 60
            visit.page.check("#theme-auto", force=True)
            assert (luminance(visit) < 60) is dark


@pytest.mark.parametrize("locale", ["en-GB", pytest.param("ja-JP", marks=pytest.mark.extended)])
def test_page_fits_the_width_of_the_screen(chromium, conditional, locale):
    with visiting(chromium, conditional, viewport=PHONE, locale=locale) as visit:
        for width, view in product([360, 390, 768, 1280], ["grid", "picture", "morph"]):
            visit.page.set_viewport_size({**PHONE, "width": width})
            visit.click(f"#tab-{view}")
            assert visit.page.evaluate("document.documentElement.scrollWidth") == width
            tall = "[...document.querySelectorAll('button')].filter(b => b.offsetHeight)"
            heights = visit.page.evaluate(f"{tall}.map(b => b.offsetHeight)")
            assert min(heights) >= 36  # large enough for touch


def test_keyboard_operation(visit, generator):
    keys = visit.page.keyboard
    visit.page.focus("#tab-grid")
    keys.press("Tab")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        keys.press(key)
    columns = int(visit.page.get_attribute("#tiles", "data-columns"))
    focused = "document.activeElement"
    assert int(visit.page.evaluate(f"{focused}.dataset.seed")) == columns + 1
    assert visit.page.evaluate(f"getComputedStyle({focused}).outlineStyle") == "solid"
    keys.press("Enter")
    visit.rest()
    assert apart(visit.pixels("#single", SHAPE), generator.sample(1, columns + 1)) <= 1
    keys.press("ArrowRight")
    visit.rest()
    assert visit.page.get_attribute("#tab-morph", "aria-selected") == "true"
    keys.press("Escape")
    visit.rest()
    assert visit.page.get_attribute("#tab-grid", "aria-selected") == "true"
    visit.page.focus("#seed")
    keys.press("ArrowUp")
    visit.rest()
    assert visit.page.input_value("#seed") == str(columns + 2)
    visit.page.focus("#classes input")
    keys.press("ArrowRight")
    visit.rest()
    assert apart(visit.tiles(SHAPE), generator.sample(36, columns + 2, labels=0)) <= 1


def test_every_control_has_an_accessible_name(visit):
    nameless = """[...document.querySelectorAll("button, input, select, canvas[role=img]")]
      .filter((x) => ![x, ...(x.labels ?? [])].some((y) => y.ariaLabel || y.textContent.trim()))
      .map((x) => x.outerHTML)"""
    for view in ("grid", "picture", "morph"):
        visit.click(f"#tab-{view}")
        hidden = f"#{view}" if view != "grid" else "#panel"
        assert visit.page.locator(hidden).is_visible()
    assert visit.page.evaluate(nameless) == []


def test_reduced_motion(visit):
    how = "getComputedStyle(document.querySelector('.tile canvas')).transitionDuration"
    try:
        for motion, seconds in (("reduce", "0s"), ("no-preference", "0.2s")):
            visit.page.emulate_media(reduced_motion=motion)
            assert visit.page.evaluate(how) == seconds
    finally:
        visit.page.emulate_media(reduced_motion="null")  # the tab is shared
