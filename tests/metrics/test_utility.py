"""Utility of fakes for a classifier: planted cases, the interval, the command and wrong input."""

from __future__ import annotations

import json

import numpy as np
import pytest
from bench import utility as planted

import ganbaru
from ganbaru import InputError
from ganbaru.cli import main
from ganbaru.metrics import utility
from ganbaru.metrics.classifier import Recipe


@pytest.mark.parametrize("kind", ["helps", "hurts", "nothing"])
@pytest.mark.parametrize("trials", [5, pytest.param(100, marks=pytest.mark.extended)])
def test_planted_cases_are_recognised(kind, trials):
    share, change = planted.right(kind, trials)
    assert share >= (0.6 if trials < 100 else 0.93)
    assert {"helps": change > 0.01, "hurts": change < -0.01, "nothing": abs(change) < 0.01}[kind]


def test_the_interval_holds_the_expected_change():
    """Answers by seeds and images that vary by known amounts, the expected change being 0.05."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        image, seeds = rng.normal(0, 0.1, (1, 300)), rng.normal(0, 0.02, (5, 1))
        before = rng.random((5, 300)) < 0.7
        after = rng.random((5, 300)) < np.clip(0.75 + image + seeds, 0, 1)
        found = utility.effect(before, after)
        held += found.low <= 0.05 <= found.high
    assert 0.93 <= held / 200 <= 1


def test_equal_answers_have_no_effect_and_one_image_counts():
    same = np.ones((5, 30), bool)
    assert utility.effect(same, same).verdict == "no clear difference"
    assert utility.effect(~same, same).verdict == "helps"
    assert utility.effect(same, ~same).verdict == "hurts"


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Bars, lying or standing, as reals with test images; fakes, and fakes with no labels."""
    folder = tmp_path_factory.mktemp("bars")

    def bars(count: int, seed: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        images = rng.integers(0, 60, (count, 8, 8, 1))
        labels = np.arange(count) % 2
        for image, label in zip(images, labels, strict=True):
            place = rng.integers(1, 7)
            image[(place, slice(None)) if label else (slice(None), place)] += 150
        return {"images": images.astype(np.uint8), "labels": labels}

    real, test = bars(40, 0), bars(60, 1)
    split = {"train_images": real["images"], "train_labels": real["labels"],
             "test_images": test["images"], "test_labels": test["labels"]}  # fmt: skip
    np.savez(folder / "reals.npz", **split)
    np.savez(folder / "fakes.npz", **bars(50, 2))
    np.savez(folder / "plain.npz", images=bars(50, 2)["images"])
    return folder


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(utility, "SHOWN", 512)
    monkeypatch.setattr(utility, "WIDTH", 2)


def test_the_command_and_the_function_agree(sets, short, capsys):
    fakes, reals = str(sets / "fakes.npz"), str(sets / "reals.npz")
    assert main.main(["utility", fakes, "--data", reals, "--seeds", "2", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    found = ganbaru.utility(fakes, reals, seeds=2, progress=False)
    made = json.loads(json.dumps(found.to_json()))
    assert {**printed, "seconds": 0} == {**made, "seconds": 0}
    assert (found.reals, found.fakes, found.tested, len(found.seeds)) == (40, 40, 60, 2)
    mean = np.mean([after - before for before, after in found.seeds])
    assert found.effect.change == pytest.approx(mean) and not found.notes
    assert main.main(["utility", fakes, "--data", reals, "--seeds", "2", "-n", "9"]) == 0
    assert "with 9 fakes added" in capsys.readouterr().out


def test_both_arms_have_as_many_updates(sets, short, monkeypatch):
    seen, train = [], utility.classifier.train

    def watched(images, labels, classes, recipe: Recipe, progress):
        seen.append((len(images), recipe.steps(len(images)), recipe.seed))
        return train(images, labels, classes, recipe, progress)

    monkeypatch.setattr(utility.classifier, "train", watched)
    for flips, times in (("no", 1), ("yes", 2)):
        seen.clear()
        paths = sets / "fakes.npz", sets / "reals.npz"
        utility.utility(*paths, seeds=2, flips=flips, progress=False)
        assert seen == [(n * times, 4, seed) for n in (40, 80) for seed in (0, 1)]


WRONG = {
    "no labels of fakes": ("plain.npz", "reals.npz", {}),
    "no labels of reals": ("fakes.npz", "plain.npz", {}),
    "one seed": ("fakes.npz", "reals.npz", {"seeds": 1}),
    "too many fakes": ("fakes.npz", "reals.npz", {"number": 51}),
    "flips": ("fakes.npz", "reals.npz", {"flips": "maybe"}),
    "rule": ("fakes.npz", "reals.npz", {"fake_labels": "even"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_refused_before_training(name, sets, monkeypatch):
    monkeypatch.setattr(utility.classifier, "train", None)
    fakes, reals, options = WRONG[name]
    with pytest.raises(InputError):
        utility.utility(sets / fakes, sets / reals, progress=False, **options)


def test_without_test_images_training_images_are_held_out(sets, short):
    np.savez(
        sets / "more.npz", **{k: np.repeat(x, 3, 0) for k, x in np.load(sets / "fakes.npz").items()}
    )
    found = utility.utility(sets / "fakes.npz", sets / "more.npz", seeds=2, progress=False)
    assert (found.reals, found.tested, len(found.notes)) == (120, 30, 1)
