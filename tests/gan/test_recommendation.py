"""`ganbaru train PATH`: what is chosen for pictures, as numbers, and what is refused."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from train_helpers import command

import ganbaru
from ganbaru import Config, InputError, engines, from_pictures, from_preset
from ganbaru.cli import options
from ganbaru.config import TOTALS, flag, from_fields
from ganbaru.data.glance import Glance, glance
from ganbaru.data.source import Want
from ganbaru.gan import models, recommendation
from ganbaru.gan.recommendation import BASE, MOST_CLASSES
from ganbaru.report import reproduction
from ganbaru.training.run_folder import candidates

CPU = {"engine": "numpy"}


def folder(path: Path, *sizes: tuple[int, int], count: int = 1, **saving) -> Path:
    """Write pictures of these heights and widths, `count` of each."""
    path.mkdir(parents=True, exist_ok=True)
    for i, (height, width) in enumerate(sizes * count):
        Image.new("L", (width, height), i % 256).save(path / f"{i:04d}.png", **saving)
    return path


def classes(path: Path, *counts: int) -> Path:
    for i, count in enumerate(counts):
        folder(path / f"class{i}", (16, 16), count=count)
    return path


def reasons(*arguments) -> dict[str, str]:
    lines = options.explained("train", "", [str(each) for each in arguments])[1]
    return {line.split()[0]: line for line in lines}


# --- size and width ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "expected", "width"),
    [
        ([(64, 64)] * 2, (64, 64), 24),
        ([(28, 28)] * 2, (28, 28), 32),
        ([(16, 16)] * 2, (16, 16), 32),
        ([(50, 50)] * 2, (48, 48), 24),
        ([(48, 64)] * 2, (48, 64), 24),
        ([(100, 100)] * 2, (100, 100), 20),
        ([(136, 128)] * 2, (136, 128), 16),
        ([(32, 240)] * 2, (32, 240), 20),
        ([(256, 256)] * 2, (128, 128), 16),
        ([(750, 1000)] * 2, (112, 148), 16),
        ([(1000, 750), (1004, 750)], (148, 112), 16),
        ([(300, 300), (500, 500), (700, 700)], (128, 128), 16),
        ([(300, 600), (600, 300)], (128, 128), 16),
        ([(90, 90), (92, 92)], (96, 96), 20),
        ([(80, 80), (82, 82)], (64, 64), 24),
        ([(8, 8)] * 2, (32, 32), 32),
        ([(12, 12), (13, 13)], (32, 32), 32),
        ([(20, 400)] * 2, (16, 256), 24),
    ],
)
def test_size_and_width(tmp_path, sizes, expected, width):
    config = from_pictures(folder(tmp_path / "a", *sizes), **CPU)
    assert (config.size, config.width) == (expected, width)
    assert models.tensor_shapes(config, (*expected, 1), 0)  # which the network builds


def test_pictures_count_as_they_are_shown(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    for kind in ("jpg", "png"):
        folder(tmp_path / kind).mkdir(exist_ok=True)
        for i in range(2):
            Image.new("L", (80, 40)).save(tmp_path / kind / f"{i}.{kind}", exif=exif)
        assert from_pictures(tmp_path / kind, **CPU).size == (80, 40)


@given(st.lists(st.tuples(*[st.integers(1, 9000)] * 2), min_size=2, max_size=9), st.booleans())
def test_any_size_can_be_built_or_is_refused(sides, same):
    sizes = np.array(sides[:1] * 2 if same else sides, np.int32)
    found = Glance("x", len(sizes), sizes, {})
    config = Config(data="x", image_size=None)
    try:
        size, _ = recommendation._size(found, config, 128)
    except InputError:
        size, _ = recommendation._size(found, dataclasses.replace(config, fit="pad"), 128)
    assert all(16 <= side <= 256 and side % 4 == 0 for side in size)
    assert size[0] * size[1] <= (1.1 * 128 + 4) ** 2


def test_a_gpu_gets_larger_images_networks_and_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(recommendation, "_on_gpu", lambda config: True)
    config = from_pictures(folder(tmp_path / "a", (300, 300), count=400))
    assert (config.size, config.width, config.batch) == ((256, 256), 32, 64)
    assert from_pictures(tmp_path / "a", batch=8).batch == 8


@pytest.mark.parametrize(
    ("installed", "given", "expected"),
    [
        (True, {}, "torch"),
        (True, {"device": "cpu"}, "torch"),
        (True, {"engine": "numpy"}, "numpy"),
        (False, {}, "auto"),
    ],
)
def test_pytorch_trains_where_it_is_installed(tmp_path, monkeypatch, installed, given, expected):
    monkeypatch.setattr(recommendation, "_on_gpu", lambda config: False)
    monkeypatch.setattr(engines, "_takes", lambda name, kind: installed and kind == "cpu")
    path = folder(tmp_path / "a", (64, 64), count=4)
    assert from_pictures(path, **given).engine == expected
    said = recommendation.recommend({"data": str(path), **given}).reasons["width"]
    assert ("PyTorch" in said) == (expected == "torch")


# --- classes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "by_class"),
    [
        ([20, 20], True),
        ([20, 19], False),
        ([40], False),
        ([20] * 3 + [1], False),
        ([20] * (MOST_CLASSES + 1), False),
    ],
)
def test_class_folders_with_enough_pictures_are_classes(counts, by_class):
    named = {f"c{i}": count for i, count in enumerate(counts)}
    assert (recommendation._conditioning(named)[0] != "none") is by_class


def test_classes_and_counts_are_those_of_the_training_images(tmp_path):
    path = classes(tmp_path / "a", 20, 21)
    assert glance(str(path), Want(), None, None).classes == {"class0": 20, "class1": 21}
    assert from_pictures(path, **CPU).conditioning != "none"
    assert from_pictures(path, conditioning="none", **CPU).conditioning == "none"
    assert "20 to 21" in reasons(path)["classes"]


def test_arrays_are_looked_at_too(tmp_path):
    images = np.zeros((80, 40, 48, 3), np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(80) % 2)
    found = from_pictures(tmp_path / "a.npz", **CPU)
    assert (found.size, found.conditioning != "none") == ((40, 48), True)


# --- the rest, and flags ----------------------------------------------------------------------


def test_the_rest_is_that_of_the_preset(tmp_path):
    config = from_pictures(folder(tmp_path / "a", (64, 64), count=4), **CPU)
    base = from_preset(BASE, data=config.data)
    for name in ("network", "objective", "lr", "betas", "latent", "batch", "preset"):
        assert getattr(config, name) == getattr(base, name), name
    assert [getattr(config, name) for name in TOTALS] == [None, None, None, 20]
    assert config.augment == "auto" and config.replacement  # four pictures make no batch
    assert config.checkpoint_every > config.sample_every


def test_every_choice_is_said_and_replaced_by_its_flag(tmp_path):
    path = classes(tmp_path / "a", 30, 30)
    chosen = {"image_size": "32", "width": 5, "conditioning": "planes", "augment": "flip",
              "batch": 7, "lr": 0.5, "minutes": 3.0, "engine": "numpy"}  # fmt: skip
    assert set(chosen) == {name for names in recommendation.TOPICS.values() for name in names}
    plain, flags = reasons(path), [word for n, x in chosen.items() for word in (flag(n), x)]
    assert list(plain) == list(recommendation.TOPICS) and len(plain) == 5
    for name in chosen:
        assert any(flag(name) in line for line in plain.values())
    made, lines, _ = options.explained("train", "", [*map(str, [path, *flags])])
    assert {name: getattr(made, name) for name in chosen} == chosen
    assert all(line.endswith("as given") for line in lines)
    assert not any(line.endswith("as given") for line in plain.values())


def test_a_total_replaces_the_minutes(tmp_path):
    made = from_pictures(folder(tmp_path / "a", (16, 16), count=2), epochs=2, **CPU)
    assert (made.epochs, made.minutes) == (2, None)


def test_printed_configuration_repeats_the_choices(tmp_path):
    path = folder(tmp_path / "a", (48, 64), count=2)
    said = command("train", path, "--print-config", "--engine", "numpy")
    assert (said.code, said.err) == (0, "")
    assert yaml.safe_load(said.out)["image_size"] == "48x64"
    (tmp_path / "c.yaml").write_text(said.out)
    assert command("train", "--config", tmp_path / "c.yaml", "--print-config").out == said.out
    assert "[48" not in command("train", path, "--help").out  # which looks at no picture


def test_a_preset_wins_and_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(folder(tmp_path / "digits", (16, 16), count=2).parent)
    made, lines, _ = options.explained("train", "", ["digits"])
    assert made == from_preset("digits") and "./digits" in lines[0]
    assert options.config("train", "", ["./digits"]).data == "./digits"
    assert ganbaru.from_preset("digits") == recommendation.configured("digits", {})


def test_a_run_is_named_by_its_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    today = datetime.date.today().isoformat()
    for data, name in (("my.cats/", "my.cats"), ("a.npz", "a"), (".", tmp_path.name),
                       ("é" * 80, "é" * 50)):  # fmt: skip
        Path(data).mkdir(exist_ok=True) if not data.endswith("npz") else None
        made = next(candidates(from_preset(BASE, data=data)))
        assert made.path == Path("runs") / f"{name}-{today}-1"
    assert next(candidates(from_preset("mnist"))).path.name == f"mnist-{today}-1"


# --- as a command -----------------------------------------------------------------------------


def test_five_pictures_train_and_resume(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = folder(tmp_path / "five", (20, 20), count=5)
    small = ("--width", 2, "--latent", 4, "--steps", 1, "--engine", "numpy")
    said = command("train", path.name, *small)
    assert said.code == 0 and "few-images" in said.out
    run = next(Path("runs").glob("five-*"))
    saved = yaml.safe_load((run / "config.yaml").read_text())
    assert (saved["data"], saved["image_size"], saved["replacement"]) == ("five", "20", True)
    again = command("train", path.name, "--run", run, "--resume", "--steps", 2)
    assert again.code == 0 and len(list((run / "checkpoints").iterdir())) == 2
    config = from_fields(saved, None)  # which a command with flags alone repeats
    assert "--image-size 20" in reproduction.command(config, "x")


def test_from_python(tmp_path):
    path = folder(tmp_path / "a", (16, 16), count=6)
    small = {"width": 2, "latent": 4, "batch": 2, "steps": 1, "augment": "none", **CPU}
    run = ganbaru.train(path, [], run=str(tmp_path / "run"), **small)
    assert yaml.safe_load((run / "config.yaml").read_text())["image_size"] == "16"
    config = from_pictures(path, run=str(tmp_path / "run2"), **small)
    assert ganbaru.train(config, []) == tmp_path / "run2"
    changed = recommendation.configured(config, {"epochs": 3})
    assert (changed.epochs, changed.steps) == (3, None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["thin"], ["20", "4000", "--fit"]),
        (["empty"], ["empty", "Put pictures"]),
        (["text.txt"], ["text.txt", "expected"]),
        (["single"], ["2"]),
        (["cat"], ["'cat'", "'cats'", "ganbaru presets"]),
        (["./cat"], ["'./cats'"]),
        (["digit"], ["'digits'", "'digitz'"]),  # a preset and a folder
        (["nowhere/at/all"], ["nowhere/at/all"]),
        (["cats", "--data", "thin"], ["cats", "thin"]),
        (["cats", "--split", "nope"], ["nope"]),
        (["cats", "--engine", "nope"], ["nope"]),
    ],
)
def test_wrong_input(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder(Path("cats"), (16, 16), count=2)
    folder(Path("thin"), (20, 4000), count=2)
    folder(Path("single"), (16, 16))
    for name in ("empty", "digitz"):
        Path(name).mkdir()
    Path("text.txt").write_text("hello")
    found = command("train", *words)
    assert (found.code, found.out) == (2, "")
    assert len(found.err) < 700 and found.err.count("\n") == 1
    assert all(part in found.err for part in said), found.err
    assert not Path("runs").exists()
