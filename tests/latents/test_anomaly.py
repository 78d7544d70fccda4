"""Anomaly scores, selection and maps: order, calibration, shares of labels, wrong inputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from train_helpers import command

from ganbaru import api, files
from ganbaru.latents import detector, selection
from ganbaru.latents.layer_features import discriminator
from ganbaru.sampling import image_io
from ganbaru.sampling.generators import load

pytestmark = pytest.mark.usefixtures("small")
RUN = "zoo:digits"


@pytest.fixture
def pictures(digits, tmp_path) -> Path:
    """Write two own samples, one of them larger and in colour, noise, and a text."""
    folder = tmp_path / "pictures"
    (folder / "inner").mkdir(parents=True)
    one, other = digits.sample(2, 10**6)[..., 0]
    Image.fromarray(one).convert("RGB").resize((32, 32)).save(folder / "one.png")
    Image.fromarray(other).save(folder / "inner" / "other.png")
    noise = np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_noise_comes_first_and_own_samples_are_normal(pictures):
    found = api.anomaly(RUN, [pictures], "out", progress=False)
    assert found.names[0] == str(pictures / "noise.png") and len(found.names) == 3
    assert found.p[0] == pytest.approx(1 / 25) and found.p[1:].min() > 0.05
    assert np.all(np.diff(found.score) <= 0) and np.all(np.diff(found.p) >= 0)
    assert_allclose(
        found.errors[:, 0],
        np.abs(found.images - found.pictures.astype(float)).mean((1, 2, 3)) / 255,
    )
    assert found.heat[0].mean() > 3 * found.heat[-1].mean()
    assert any("1 of 3 pictures" in note for note in found.notes)
    names = {path.name for path in Path("out").iterdir()}
    assert names == {"sheet.png", "anomaly.json", "anomaly.npz", "000-noise-heat.png"} | {
        f"{i:03d}-{Path(found.names[i]).stem}-heat.png" for i in (1, 2)
    }
    said = command("anomaly", RUN, pictures, "--json", "-o", "out")
    content = json.loads(said.out)
    assert content == {**found.to_json(), "output": "out"}
    assert json.loads(Path("out/anomaly.json").read_text()).items() >= content.items()
    assert_array_equal(np.load("out/anomaly.npz")["p"], found.p)


@given(st.integers(0, 2**32), st.integers(20, 60))
def test_p_is_uniform_by_rank_on_exchangeable_errors(seed, count):
    """A held-out picture's own errors get its rank among the held-out ones."""
    errors = np.random.default_rng(seed).lognormal(size=(count, 3))
    found = detector.Detector(None, None, None, errors)  # type: ignore[arg-type]
    score, p = found.scores(errors)
    ranks = count - np.argsort(np.argsort(score))
    assert_allclose(p, (1 + ranks) / (1 + count))
    worse, _ = found.scores(errors * np.array([1, 2, 1]))
    assert np.all(worse > score)


def test_normal_pictures_of_a_folder_calibrate(pictures, digits, trained_run):
    for i, image in enumerate(digits.sample(detector.LEAST, 50)[..., 0]):
        Path("normal").mkdir(exist_ok=True)
        Image.fromarray(image).save(f"normal/{i}.png")
    found = api.anomaly(RUN, [pictures / "noise.png"], None, normal="normal", progress=False)
    assert found.calibrated_on == detector.LEAST and found.output is None
    assert len(found.notes) == 1  # it has no discriminator
    own = api.anomaly(trained_run(), [pictures / "noise.png"], None, progress=False)
    assert own.errors[0, 2] > 0 and "training images" in own.notes[0]


WRONG = {
    "no picture": ([], ["0 pictures"]),
    "a text": (["notes.txt"], ["notes.txt", "PNG"]),
    "absent": (["absent.png"], ["absent.png"]),
    "a folder without pictures": (["empty"], ["empty", ".png"]),
    "another format": (["a.png", "-o", "x.txt"], [".npz", ".png"]),
    "somebody's file": (["a.png", "-o", "mine.npz"], ["mine.npz", "--overwrite"]),
    "too few normal ones": (["a.png", "--normal", "few"], ["20", "--normal"]),
    "absent normal ones": (["a.png", "--normal", "absent"], ["absent"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs_are_one_message(case, digits):
    for folder in ("empty", "few"):
        Path(folder).mkdir()
    for place in ("a.png", "few/a.png", "few/b.png"):
        image_io.save_png(Path(place), digits.sample(1)[0])
    Path("notes.txt").write_text("some text")
    Path("mine.npz").write_bytes(b"mine")
    words, said_of = WRONG[case]
    said = command("anomaly", RUN, *words)
    assert said.code == 2 and not said.out, said.err
    assert all(word in said.err for word in said_of), said.err
    assert Path("mine.npz").read_bytes() == b"mine"


# --- selection --------------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.integers(1, 40), st.booleans())
def test_the_best_of_each_label_are_chosen_in_its_share(seed, count, labelled):
    rng = np.random.default_rng(seed)
    scores, labels = rng.normal(size=40), np.arange(40) % 4
    found = selection._best(scores, labels if labelled else None, count)
    assert len({*found}) == count and np.all(np.diff(scores[found]) <= 0)
    if not labelled:
        assert_array_equal(np.sort(scores[found]), np.sort(scores)[-count:])
        return
    counts = np.bincount(labels[found], minlength=4)
    assert counts.max() - counts.min() <= 1
    for label, each in enumerate(counts):
        own, chosen = (np.sort(scores[x]) for x in (labels == label, found[labels[found] == label]))
        assert_array_equal(chosen, own[len(own) - each :])


def test_best_by_density_writes_those_seeds_and_says_the_recall(digits):
    said = command("generate", RUN, "--best", "20-of-60", "--best-by", "density", "-o", "a.npz")
    assert said.code == 0 and "recall" in said.out
    images, labels = (np.load("a.npz")[name] for name in ("images", "labels"))
    assert len(images) == 20 and np.bincount(labels).max() == 2
    known = {image.tobytes() for image in digits.sample(60)}
    assert {image.tobytes() for image in images} <= known
    api.generate(RUN, "b.npz", best="20-of-60", best_by="density", progress=False)
    assert_array_equal(np.load("b.npz")["images"], images)


def test_best_by_d_have_the_highest_realness(trained_run):
    run = trained_run(conditioning="none")
    generator, judge = load(run), discriminator(run, "auto", ())
    how = {"seed": 0, "labels": None, "truncation": 1.0, "progress": lambda *_: None}
    found = selection.select(judge, generator, "4-of-30", "d", **how)
    realness = selection._by_d(judge, generator.sample(30), None, None)
    assert sorted(realness[list(found.seeds)]) == sorted(realness)[-4:]
    assert found.recall is None and "more than" in found.note


@pytest.mark.parametrize("words", [
    ["--best", "5"], ["--best", "9-of-4"], ["--best", "0-of-4"], ["--best", "1-of-99999"],
    ["--best", "2-of-4", "--best-by", "e"], ["--best", "2-of-4", "--every-label"],
    ["--best-by", "density"], ["--best", "2-of-4"],  # it has no discriminator
])  # fmt: skip
def test_wrong_choices_are_refused(words):
    said = command("generate", RUN, *words)
    assert said.code == 2 and "--best" in said.err and not Path("images.png").exists()


# --- map --------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["pca", "tsne"])
def test_a_map_has_both_kinds_in_their_places(by, digits):
    found = api.embed(RUN, "out", by=by, number=20, seed=5, progress=False)
    assert found.points.shape == (40, 2)
    assert_allclose([found.points.min(0), found.points.max(0)], [[0, 0], [1, 1]])
    assert_array_equal(found.seeds, [-1] * 20 + list(range(5, 25)))
    assert_array_equal(found.images[20:], digits.sample(20, 5))
    assert (found.explained is None) == (by == "tsne")
    assert all(files.is_ours(Path("out") / name) for name in ("map.png", "map.npz"))
    assert_array_equal(np.load("out/map.npz")["points"], found.points)


@pytest.mark.parametrize("words", [["--by", "umap"], ["-n", 5], ["-o", "x.gif"], ["--label", 11]])
def test_wrong_maps_are_refused(words):
    said = command("embed", RUN, *words)
    assert said.code == 2 and str(words[1]) in said.err
