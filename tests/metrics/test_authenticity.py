"""Memorization: copies are found and counted, and generators without copies are not accused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from data_helpers import REAL, needs_real_data
from metric_helpers import blurred, digits, noisy
from PIL import Image
from train_helpers import command, pictures, trained

import ganbaru
from ganbaru import InputError, data
from ganbaru.metrics import copy_rate, memorization, nearest


def large(split: str) -> data.Source:
    """The digits at 16x16, where a shift by a pixel matters little."""
    return data.load("digits", image_size=(16, 16), split=split)


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- nearest images ---------------------------------------------------------------------------

# Alterations of copies, and the share of originals found at least.
ALTERED = {
    "exact": (lambda x: x, 1.0),
    "brighter": (lambda x: (x * 0.7 + 40).round().astype(np.uint8), 1.0),
    "shifted": (lambda x: np.pad(x, ((0, 0), (1, 0), (0, 1), (0, 0)), "edge")[:, :-1, 1:], 0.97),
    "noisy": (lambda x: noisy(x, 8), 0.97),
}


@pytest.mark.parametrize("name", ALTERED)
def test_the_original_is_the_nearest(name):
    alter, least = ALTERED[name]
    source = large("train")
    index = nearest.Index(source.images, np.arange(len(source.images)))
    found = index.nearest(alter(source.images[:200]), data.silent, "")
    assert (found.indices[:, 0] == np.arange(200)).mean() >= least
    assert (np.diff(found.distances, axis=1) >= 0).all() and found.distances.max() <= 2
    fresh = copy_rate.distance_ratios(index.nearest(large("test").images, data.silent, ""))
    below = copy_rate.distance_ratios(found) < np.sort(fresh)[2]
    assert below.mean() >= least - 0.1


def test_distances_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 9, 11, 3)).astype(np.uint8)
    index = nearest.Index(images, np.arange(10, 60))
    found = index.nearest(images[:3], data.silent, "")
    for query in range(3):
        least = {}
        for place in range(10, 60):
            each = []
            for down in (-1, 0, 1):
                for right in (-1, 0, 1):
                    rows = np.clip(np.arange(9) + down, 0, 8)
                    columns = np.clip(np.arange(11) + right, 0, 10)
                    one = images[query][rows][:, columns].astype(float).ravel()
                    other = images[place].astype(float).ravel()
                    one, other = one - one.mean(), other - other.mean()
                    one, other = one / np.linalg.norm(one), other / np.linalg.norm(other)
                    each.append(np.linalg.norm(one - other))
            least[place] = min(each)
        expected = sorted(least, key=least.get)
        assert found.indices[query].tolist() == expected
        near = [least[place] for place in expected]
        np.testing.assert_allclose(found.distances[query], near, atol=1e-3)


@pytest.mark.parametrize(("side", "most"), [(28, 8), (64, 32), (33, 32), (8, 8), (5, 8)])
def test_pooling_takes_the_mean_of_each_cell(side, most):
    images = np.random.default_rng(1).random((2, side, 40, 1)).astype(np.float32)
    found = nearest.pooled(images, most)
    edges = [[i * length // cells for i in range(cells + 1)]
             for length, cells in ((side, min(side, most)), (40, min(40, most)))]  # fmt: skip
    assert found.shape == (2, min(side, most), min(40, most), 1)
    for i, (top, bottom) in enumerate(zip(edges[0], edges[0][1:], strict=False)):
        for j, (left, right) in enumerate(zip(edges[1], edges[1][1:], strict=False)):
            cell = images[:, top:bottom, left:right].mean(axis=(1, 2))
            np.testing.assert_allclose(found[:, i, j], cell, rtol=1e-5)


def test_an_image_is_not_its_own_neighbour():
    source = digits()
    index = nearest.Index(source.images, np.arange(len(source.images)))
    own = np.arange(0, 300)
    found = index.nearest(source.images[own], data.silent, "", own)
    assert not (found.indices == own[:, None]).any()
    assert found.distances.min() > 0


def test_duplicates_are_listed_the_largest_group_first():
    images = digits().images[:300].copy()
    images[[50, 60, 250]] = images[10]
    images[200] = (images[20] * 0.5 + 30).astype(np.uint8)  # darker
    images[[100, 299]] = 7  # of one colour: nothing to compare
    index = nearest.Index(images, np.arange(300))
    found = [group.tolist() for group in nearest.duplicates(index, data.silent)]
    assert found == [[10, 50, 60, 250], [20, 200]]


# --- statistics -------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "rank", "m"), [(5, 2, 7), (300, 1, 300), (1000, 10, 2000)])
def test_masses_are_the_beta_binomial_ones(n, rank, m):
    from scipy.stats import betabinom

    expected = betabinom.pmf(np.arange(n + 1), n, rank, m + 1 - rank)
    np.testing.assert_allclose(copy_rate._masses(n, rank, m), expected, rtol=1e-7, atol=1e-12)


def test_few_orders_counted_by_hand():
    """Of one image and 100 real ones, it is the least of all in 1 of 101 orders."""
    assert math.isclose(copy_rate._tails(1, 1, 1, 100)[0], 1 / 101)
    assert math.isclose(copy_rate._tails(0, 1, 1, 100)[1], 100 / 101)


def pool() -> tuple[copy_rate.Ratios, copy_rate.Ratios]:
    """The ratios of 797 digits that 1,000 others are searched for, and those of exact copies."""
    images = np.concatenate([large("train").images, large("test").images])
    order = np.random.default_rng(0).permutation(len(images))
    index = nearest.Index(images, np.sort(order[:1000]))
    fresh = copy_rate.distance_ratios(index.nearest(images[order[1000:]], data.silent, ""))
    return fresh, copy_rate.distance_ratios(index.nearest(images[order[:100]], data.silent, ""))


def test_real_images_are_accused_as_rarely_as_the_p_value_states():
    fresh, _ = pool()
    rng = np.random.default_rng(1)
    found = []
    for _ in range(400):
        order = rng.permutation(fresh)
        found.append(copy_rate.copy_rate(order[:400], order[400:]).p)
    for level in (0.01, 0.05, 0.2):
        often = np.mean(np.array(found) <= level)
        assert often <= level + 3 * np.sqrt(level / 400), (level, often)
    assert np.mean(np.array(found) <= 0.5) > 0.2  # and it does not always say no


def test_a_planted_rate_of_5_percent_is_estimated_between_4_and_6():
    fresh, copies = pool()
    rng = np.random.default_rng(2)
    rates, inside = [], 0
    for _ in range(60):
        order = rng.permutation(fresh)
        images = np.concatenate([rng.choice(copies, 20, replace=False), order[:380]])
        found = copy_rate.copy_rate(images, order[380:])
        rates.append(found.rate)
        inside += found.low <= 0.05 <= found.high
        assert found.p < 0.01
    assert np.mean(np.abs(np.array(rates) - 0.05) <= 0.01) >= 0.95
    assert abs(np.mean(rates) - 0.05) < 0.003
    assert inside >= 54


def test_collapsed_generators_that_copy_nothing_are_not_accused():
    """Of 25 fresh digits, 8 times each with a little noise: one chance neighbour counts 8 times."""
    images = np.concatenate([large("train").images, large("test").images])
    order = np.random.default_rng(0).permutation(len(images))
    index = nearest.Index(images, np.sort(order[:1000]))
    fresh = images[order[1000:]]
    found = index.nearest(fresh, data.silent, "")
    ratios, distances = copy_rate.distance_ratios(found), found.distances[:, 0]
    rng, repeats, plain, thin = np.random.default_rng(1), 100, 0, 0
    for _ in range(repeats):
        drawn = rng.permutation(len(fresh))
        modes, held_out = np.tile(drawn[:25], 8), drawn[25:]
        noise = rng.normal(0, 1, (len(modes), 16, 16, 1))
        repeated = np.clip(np.rint(fresh[modes] + noise), 0, 255).astype(np.uint8)
        kept = nearest.thinned(repeated, distances[modes], data.silent)
        assert len(kept) == 25
        plain += copy_rate.copy_rate(ratios[modes], ratios[held_out]).p < 0.01
        thin += copy_rate.copy_rate(ratios[modes], ratios[held_out], kept).p < 0.01
    assert plain >= 5  # so the simulation has what thinning removes
    assert thin <= 3


def test_independent_images_are_not_thinned():
    source, test = large("train"), large("test")
    index = nearest.Index(source.images, np.arange(len(source.images)))
    found = index.nearest(test.images, data.silent, "").distances[:, 0]
    assert len(nearest.thinned(test.images, found, data.silent)) > 0.97 * len(test.images)


# --- from end to end --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.extended) for seed in (1, 2, 3))]
)
def test_a_generator_that_copies_5_percent_and_one_that_does_not(here, seed):
    """Blurred unseen digits are near all others: the plain distance would accuse them."""
    source, test = large("train"), large("test")
    rng = np.random.default_rng(seed)
    # 900 images out of the 300 that are fresh: each as it is, softened, and noisy.
    fresh = np.concatenate([test.images, blurred(test.images, 0.5), noisy(test.images, 12)])
    images = rng.permutation(fresh)[:600]
    honest = ganbaru.authenticity(images, source_file(here, source), output=here / "honest")
    assert not honest.is_copying and honest.copying.p > 0.01 and honest.copying.rate < 0.01
    places = rng.choice(len(source.images), 30, replace=False)
    images[:30] = source.images[places]
    found = ganbaru.authenticity(images, source_file(here, source), output=here / "copies")
    assert found.is_copying and found.copying.p < 1e-4
    assert 0.04 <= found.copying.rate <= 0.06
    assert found.copying.low <= 0.05 <= found.copying.high
    pairs = {one.image: one.training for one in found.suspects[:30]}
    assert pairs == {i: int(place) for i, place in enumerate(places)}
    assert "It copies: about" in found.verdict() and "No sign" in honest.verdict()


def source_file(folder: Path, source: data.Source) -> Path:
    """Write a source without test images: training images are held against each other."""
    path = folder / "training.npz"
    if not path.exists():
        np.savez(path, images=source.images)
    return path


def test_copies_of_duplicates_are_found(here):
    """A copy of a duplicate has two nearest neighbours, both at distance 0."""
    images = np.concatenate([large("train").images[:400]] * 7)  # more than the neighbours looked at
    path = here / "repeated.npz"
    np.savez(path, images=images)
    made = np.concatenate([large("test").images, images[:30]])
    found = ganbaru.authenticity(made, path)
    assert found.repeated == 2400 and len(found.duplicates) == 400
    assert found.duplicates[0] == tuple(range(0, 2800, 400))
    assert {one.image for one in found.suspects[:30]} == set(range(300, 330))


def test_test_images_that_were_trained_on_are_left_out(here):
    images = np.concatenate([large("train").images, large("test").images[:40]])
    for split, part in (("train", images), ("test", large("test").images)):
        for i, image in enumerate(part):
            path = here / "set" / split / f"{i:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(path)
    found = ganbaru.authenticity(noisy(large("test").images[40:], 20), here / "set")
    assert found.held_out == "260 test images"
    assert found.notes == ("40 test images are in the training set too, and were left out.",)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("examined")
    trained(folder, data="digits", image_size="16", steps=2, run=folder / "runs" / "a")
    pictures(folder / "few.npz", count=60, side=16, classes=0)
    pictures(folder / "other.npz", count=300, side=16, classes=0)
    pictures(folder / "colour.npz", count=300, side=16, channels=3, classes=0)
    same = np.full((300, 16, 16, 1), 9, np.uint8) * np.arange(16, dtype=np.uint8)[:, None]
    np.savez(folder / "same.npz", images=same)
    return folder


def test_the_command_writes_result_and_sheet(runs, monkeypatch):
    monkeypatch.chdir(runs)
    said = command("authenticity", "a", "-n", 120)
    assert said.code == 0 and said.err == "", said
    assert said.out.startswith("digits: 1,497 training images, no duplicates\n")
    assert "No sign of copying" in said.out and "held out: 300 test images" in said.out
    place = runs / "runs" / "a" / "authenticity"
    assert f"picture: {place.as_posix()}/neighbours.png" in said.out
    stored = memorization.stored(runs / "runs" / "a")
    assert stored.images == 120 and stored.origin["checkpoint"] == "0000000016"
    with Image.open(place / "neighbours.png") as sheet:
        assert sheet.size == (2 * (6 * 88 + 16), 3 * 18 + 8 * (80 + 18 + 8))
        # The first image as they come is that of the first seed that is no suspect.
        suspects = np.argsort(copy_rate.distance_ratios(_found(runs)), kind="stable")[:8]
        first = next(i for i in range(120) if i not in suspects)
        expected = ganbaru.load(runs / "runs" / "a").sample(1, seed=first)[0, :, :, 0]
        shown = np.asarray(sheet.convert("L"))[54 : 54 + 80, 544 + 8 : 544 + 8 + 80]
        assert (shown[2::5, 2::5] == expected).all()
    again = command("authenticity", "a", "-n", 120, "--json", "-o", "elsewhere")
    assert (
        json.loads(again.out)["copying"]
        == json.loads((place / "result.json").read_text())["copying"]
    )
    assert (runs / "elsewhere" / "neighbours.png").exists()


def _found(runs: Path) -> nearest.Nearest:
    source = large("train")
    index = nearest.Index(source.images, np.arange(len(source.images)))
    return index.nearest(ganbaru.load(runs / "runs" / "a").sample(120), data.silent, "")


CASES = [
    (["authenticity"], ["WHAT"]),
    (["authenticity", "other.npz"], ["other", "--data X"]),
    (["authenticity", "a", "-n", "20"], ["20 images", "-n from 100"]),
    (["authenticity", "few.npz", "--data", "digits"], ["60 images", "few has 60"]),
    (["authenticity", "a", "--data", "other.npz"],
     ["a was trained on digits", "other", "leave --data out"]),
    (["authenticity", "a", "--data", "colour.npz"],
     ["of a are grey", "colour.npz colour"]),
    (["authenticity", "other.npz", "--data", "few.npz"], ["60 different images", "100 or more"]),
    (["authenticity", "other.npz", "--data", "same.npz"], ["only 1 different"]),
    (["authenticity", "nowhere", "--data", "digits"], ["'nowhere'"]),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "parts"), CASES, ids=lambda case: " ".join(case)[:50])
def test_invalid_input_gets_one_message(runs, monkeypatch, arguments, parts):
    monkeypatch.chdir(runs)
    said = command(*arguments)
    assert said.code == 2 and said.out == "", said
    assert said.err.startswith("ganbaru: ") and said.err.count("\n") == 1 and len(said.err) < 500
    for part in parts:
        assert part in said.err, said.err


def test_a_damaged_result_is_named(tmp_path):
    (tmp_path / "authenticity").mkdir()
    (tmp_path / "authenticity" / "result.json").write_text('{"copying": 1}')
    with pytest.raises(InputError, match=r"result\.json.*Delete it"):
        memorization.stored(tmp_path)
    assert memorization.stored(tmp_path / "none") is None


@needs_real_data
def test_twenty_thousand_training_images(here, monkeypatch):
    monkeypatch.setenv("GANBARU_DATA", REAL)
    source, test = data.load("mnist"), data.load("mnist", split="test")
    np.savez(here / "training.npz", images=source.images[:20_000])
    images = test.images[-200:].copy()
    images[:10] = np.pad(source.images[:10], ((0, 0), (1, 0), (0, 1), (0, 0)), "edge")[:, :-1, 1:]
    monkeypatch.setattr(memorization, "HELD_OUT", 400)
    found = ganbaru.authenticity(images, here / "training.npz")
    assert found.training == 20_000 and found.is_copying
    assert 0.04 <= found.copying.rate <= 0.06
    assert {one.training for one in found.suspects[:10]} == set(range(10))


def test_a_stored_result_is_read_with_its_mark(tmp_path):
    """`result.json` begins with the version, by which `-o` knows it as our own file."""
    run = trained(tmp_path, data=pictures(tmp_path / "many.npz", count=120), steps=2)
    found = memorization.authenticity(run, number=100)
    assert json.loads((run / "authenticity" / "result.json").read_text())["ganbaru"]
    assert memorization.stored(run).suspects == found.suspects
