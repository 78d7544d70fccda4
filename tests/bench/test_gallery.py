"""The gallery: its page is made of its results, and a preset's entry of a run."""

from __future__ import annotations

import json

import pytest
from bench import gallery
from PIL import Image
from train_helpers import pictures

import ganbaru
from ganbaru.presets import PRESETS


@pytest.fixture
def own_place(tmp_path, monkeypatch):
    for name in ("RESULTS", "PAGE", "PICTURES"):
        monkeypatch.setattr(gallery, name, tmp_path / getattr(gallery, name).name)
    gallery.PAGE.write_text(f"# Gallery\n\n{gallery.MARK}\nold\n", encoding="utf-8")
    return tmp_path


def test_the_page_is_made_of_the_results_and_names_every_preset():
    assert gallery.PAGE.read_text("utf-8") == gallery.page()
    made = gallery.page().partition(gallery.MARK)[2]
    assert all(f"### {name}\n" in made or f"`{name}`" in made for name in PRESETS)
    for name in gallery.results():
        assert (gallery.PICTURES / f"{name}.png").stat().st_size <= 60_000


def test_a_run_becomes_an_entry_with_a_picture(own_place, monkeypatch):
    pictures(
        own_place / "grey.npz", count=240, classes=0
    )  # unlabelled, so that no classifier is trained
    monkeypatch.setattr(gallery, "SCORED", 50)
    monkeypatch.setitem(gallery.SMALL, "width", 4)
    monkeypatch.setitem(gallery.STAND_IN, "", str(own_place / "grey.npz"))
    assert gallery.main(["dcgan=128", "--small"]) == 0
    entry = json.loads(gallery.RESULTS.read_text())["dcgan"]
    assert (entry["images"], entry["published"]) == (128, None)
    flags = f"--data {own_place / 'grey.npz'} --image-size 32 --width 4"
    assert entry["command"] == f"ganbaru train dcgan {flags} --images 128"
    assert entry["seconds"] > 0 and entry["scores"].keys() == entry["baselines"].keys()
    assert entry["scores"]["frechet"] > entry["baselines"]["frechet"]
    with Image.open(gallery.PICTURES / "dcgan.png") as picture:
        assert picture.size == (gallery.WIDTH, gallery.GRID + gallery.CURVE)
        assert len(picture.convert("RGB").getcolors()) > 10
    page = gallery.PAGE.read_text("utf-8")
    assert "### dcgan" in page and "old" not in page


@pytest.mark.parametrize("text", ["digit", "digits=many", "digits=-1"])
def test_an_unknown_preset_or_number_is_refused(own_place, text, capsys):
    with pytest.raises(SystemExit) as error:
        gallery.main([text])
    assert error.value.code == 2 and text in capsys.readouterr().err
    assert not gallery.RESULTS.exists()


@pytest.mark.parametrize(
    "name, images",
    [
        ("digits", 60_000),
        ("sngan-cifar10", 32_000_000),
        ("cgan-mnist", 1_800_000),
        ("r3gan-cifar10", 5_000_000),
        ("mnist", None),
        ("small", None),
    ],
)
def test_the_published_length_in_images(name, images):
    assert gallery.published(ganbaru.from_preset(name)) == images
