"""Evaluation from end to end: scores, passports, baselines, and invalid input."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from data_helpers import REAL, needs_real_data
from metric_helpers import digits, noisy, unseen
from PIL import Image
from train_helpers import command, pictures, trained

import ganbaru
from ganbaru import InputError, data, metrics, records
from ganbaru.data.sets import stacked_mnist
from ganbaru.metrics import candidates, evaluator, scorer
from ganbaru.metrics import evaluation as evaluation_of
from ganbaru.metrics.evaluation import maker
from ganbaru.sampling import generators


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder of images to score, valid and invalid, and a run on digits."""
    folder = tmp_path_factory.mktemp("scored")
    test = digits("test")
    np.savez(folder / "test.npz", images=test.images, labels=test.labels)
    np.savez(folder / "noisy.npz", images=noisy(test.images, 60), labels=test.labels)
    np.savez(folder / "few.npz", images=test.images[:20])
    np.savez(folder / "colour.npz", images=test.images.repeat(3, axis=3))
    np.savez(folder / "nan.npz", images=np.full((60, 8, 8, 1), np.nan))
    names = np.array(["ape", "bear", "cat", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay"])
    np.savez(folder / "animals.npz", images=test.images, labels=test.labels, classes=names)
    (folder / "mixed").mkdir()
    for i in range(60):
        Image.new("L", (16 + i % 2, 16), i).save(folder / "mixed" / f"{i}.png")
    pictures(folder / "unlabelled.npz", count=400, side=8, classes=0)
    pictures(folder / "small.npz", count=60, side=8)
    options = {"data": "digits", "image_size": "16", "steps": 2}
    trained(folder, run=folder / "runs" / "a", **options)
    return folder


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Train smaller classifiers for a shorter time; the scores are valid all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorer, "RECIPE", scorer.Recipe(width=8, shown=12_800))
        patch.setattr(scorer, "RANDOM", 2)
        patch.setattr(evaluator, "CAS_RECIPE", scorer.Recipe(width=4, shown=3_200))
        yield


@pytest.fixture(scope="module")
def evaluation(place, quick) -> metrics.Evaluation:
    """The evaluation of the test digits against the training digits."""
    return ganbaru.evaluate(place / "test.npz", "digits")


@pytest.fixture
def here(place, monkeypatch) -> Path:
    monkeypatch.chdir(place)
    return place


def test_real_images_get_their_baseline(here, evaluation):
    found = evaluation
    assert found.passport.scorer_accuracy > 0.95
    assert (found.passport.reals, found.passport.fakes) == (300, 300)
    for name, score in found.scores.items():
        if name in ("modes", "unseen_modes"):  # counts of the whole set
            assert score.low is score.high is None
        else:
            assert score.low <= score.value <= score.high, name
        if name != "cas":  # whose classifier learnt from the test images here
            assert score.value == pytest.approx(score.floor, abs=1e-9), name
    assert sum(fake for fake, _ in found.classes.values()) == pytest.approx(1)
    worse = ganbaru.evaluate("noisy.npz", "digits")
    metrics.check_comparable(found, worse)
    assert worse.scores["frechet"].low > found.scores["frechet"].value
    assert worse.scores["cas"].value > 0.5
    assert worse.scores["frechet"].floor == found.scores["frechet"].floor
    assert records.parse(json.dumps(worse.to_json()), metrics.Evaluation, "", "") == worse


def test_a_run_is_scored_against_its_own_data_and_stores_its_scores(here):
    said = command("evaluate", "a", "-n", "120", "--scorer", "random", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    (stored,) = metrics.stored(here / "runs" / "a")
    assert stored.to_json() == found
    assert found["passport"]["resize"] == "16x16x1, as it is"
    assert found["origin"] == {"run": "a", "checkpoint": "0000000016", "seed": 0}
    assert found["scores"]["frechet"]["value"] > 2 * found["scores"]["frechet"]["floor"]
    assert found["scores"]["frechet"]["spread"] > 0
    again = ganbaru.evaluate("a", number=120, scorer="random")
    assert again.scores == stored.scores
    assert len(metrics.stored(here / "runs" / "a")) == 1
    ganbaru.evaluate("a", number=100, scorer="random")
    one, two = metrics.stored(here / "runs" / "a")
    with pytest.raises(InputError, match="fakes: 120 and 100"):
        metrics.check_comparable(one, two)


def test_the_table_explains_each_score(here):
    said = command("evaluate", "test.npz", "--data", "digits")
    assert said.code == 0 and said.err == ""
    for part in ("Fréchet distance", "95 % interval", "coverage", "CAS", "300 of digits",
                 "300 test images", "(real): 0 "):  # fmt: skip
        assert part in said.out, part
    assert "FID" not in said.out


def test_any_difference_of_passports_is_named(evaluation):
    passport = evaluation.passport
    for field in dataclasses.fields(metrics.Passport):
        other = dataclasses.replace(passport, **{field.name: "other"})
        (text,) = metrics.differences(passport, other)
        assert text.startswith(field.name.replace("_", " ")) and text.endswith("and other")
    assert metrics.differences(passport, passport) == []


def test_an_edited_scorer_is_trained_again_with_a_note(monkeypatch, tmp_path):
    monkeypatch.setenv("GANBARU_CACHE", str(tmp_path))
    monkeypatch.setattr(scorer, "RECIPE", scorer.Recipe(width=4, shown=2_560))
    made = [metrics.make_evaluator(digits(), digits("test"), scorer.automatic)]
    (file,) = (tmp_path / "scorers").glob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    made += [metrics.make_evaluator(digits(), digits("test"), scorer.automatic)]
    before, after = made
    assert after.scorer.info == before.scorer.info
    notes = [one.scorer.notes for one in made]
    assert not notes[0] and "was cut short or edited" in notes[1][0]
    assert file.read_bytes() != content


def test_labels_match_by_name_and_sizes_by_the_rule_of_training(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluator, "CAS_RECIPE", scorer.Recipe(width=4, shown=640))
    test = digits("test")
    renumbered = (test.labels + 3) % 10  # label k stands for the digit (k + 7) % 10
    names = np.array([str((k + 7) % 10) for k in range(10)])
    wide = np.kron(test.images[..., 0], np.ones((1, 2, 2), np.uint8))[..., None]
    np.savez(tmp_path / "renumbered.npz", images=wide, labels=renumbered, classes=names)
    found = ganbaru.evaluate(tmp_path / "renumbered.npz", "digits", scorer="classifier")
    assert found.passport.resize == "16x16x1, as it is"
    assert found.scores["label_accuracy"].value > 0.85


@pytest.mark.parametrize(
    ("own", "theirs", "expected"),
    [
        (("3", "7"), tuple("abcdefgh"), [3, 7]),  # numbers of an .npz without names
        (("1", "2"), ("1", "2", "3"), [0, 1]),
        (("b", "a"), ("a", "b"), [1, 0]),
        (("0", "1"), ("1", "2"), None),
        (("9",), tuple("abc"), None),
        (("1", "cat"), ("cat", "dog"), None),
    ],
)
def test_labels_of_images_are_those_of_the_data_by_name(own, theirs, expected):
    source = data.in_memory("x", np.zeros((8, 4, 4, 1), np.uint8))
    candidate = candidates.of_images(dataclasses.replace(source, classes=own))
    reals = dataclasses.replace(source, labels=np.zeros(8, np.int64), classes=theirs)
    labels = np.arange(len(own))
    if expected is None:
        with pytest.raises(InputError):
            evaluation_of.renumbered_like(candidate, labels, reals)
    else:
        found = evaluation_of.renumbered_like(candidate, labels, reals)
        assert found.tolist() == expected


def test_images_of_different_sizes_are_resized_to_image_size(here):
    words = ["evaluate", "mixed", "--data", "digits", "--image-size", "8", "--scorer", "random"]
    said = command(*words, "--json")
    found = json.loads(said.out)
    assert (said.code, said.err) == (0, "") and found["passport"]["resize"] == "8x8x1, as it is"
    # Sheets of one grey each, 60 of them, are all different and nothing like digits.
    assert found["scores"]["distinct"]["value"] == 1 and found["scores"]["coverage"]["value"] < 0.1


@pytest.mark.parametrize(
    ("what", "notes"),
    [("several", ["8x8", "grey"]), ("mixed", ["8x8"]), ("colour.npz", ["grey"]), ("test.npz", [])],
)
def test_images_are_converted_to_the_size_and_channels_of_the_data(here, what, notes, tmp_path):
    (here / "several").mkdir(exist_ok=True)
    for i in range(60):  # as of several generators: of two sizes, grey and colour
        image = Image.new("L" if i % 3 else "RGB", (16 + 4 * (i % 2), 16 + 4 * (i % 2)), i)
        image.save(here / "several" / f"{i}.png")
    found = metrics.candidates.find(
        what, "newest", "numpy", "auto", None, data.silent, (), against="digits"
    )
    assert found.shape == (8, 8, 1) and len(found.notes) == len(notes), found.notes
    assert all(part in note for part, note in zip(notes, found.notes, strict=True))
    if what == "several":
        said = command("evaluate", what, "--data", "digits", "--scorer", "random", "--json")
        assert (said.code, json.loads(said.out)["notes"][: len(notes)]) == (0, [*found.notes])


CASES = [
    (["evaluate"], ["WHAT"]),
    (["evaluate", "nowhere", "--data", "digits"], ["'nowhere'", "a folder"]),
    (["evaluate", "test.npz"], ["--data X"]),
    (["evaluate", "test.npz", "--data", "digts"], ["data 'digts'", "Did you mean 'digits'"]),
    (["evaluate", "few.npz", "--data", "digits"], ["few has 20 images", "50 or more"]),
    (["evaluate", "test.npz", "--data", "small.npz"], ["too few images", "60 images"]),
    (["evaluate", "a", "-n", "20"], ["20 images of a", "-n from 50 on"]),
    (["evaluate", "a", "-n", "0"], ["0 images", "-n from 50"]),
    (["evaluate", "test.npz", "--data", "digits", "-n", "301"], ["-n from 50 to 300"]),
    (["evaluate", "runs/a", "--data", "colour.npz"], ["are grey", "colour.npz colour"]),
    (["evaluate", "animals.npz", "--data", "digits"], ["animals", "'ape'", "0, 1"]),
    (["evaluate", "nan.npz", "--data", "digits"], ["NaN"]),
    (["evaluate", "mixed", "--data", "mixed"], ["--image-size"]),
    (["evaluate", "test.npz", "--data", "digits", "--scorer", "fid"],
     ["scorer 'fid'", "auto, classifier, efficientnet, inception, random"]),
    (["evaluate", "test.npz", "--data", "unlabelled.npz", "--scorer", "classifier"],
     ["no labels", "--scorer random"]),
    (["evaluate", "test.npz", "--data", "digits", "--scorer", "inception"],
     ["--weights PATH"]),
    (["evaluate", "test.npz", "--data", "digits", "--scorer", "inception", "--weights", "w.pth"],
     ["w.pth"]),
    (["evaluate", "mixed", "--data", "digits", "--image-size", "8x"], ["--image-size 8x"]),
    (["evaluate", "a", "--image-size", "8"], ["--image-size"]),
    (["evaluate", "a", "--checkpoint", "7"], ["'7'", "16"]),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "parts"), CASES, ids=lambda case: " ".join(case)[:50])
def test_invalid_input_gets_one_message(here, arguments, parts):
    said = command(*arguments)
    assert said.code == 2 and said.out == "", said
    assert said.err.startswith("ganbaru: ") and said.err.count("\n") == 1 and len(said.err) < 700
    for part in parts:
        assert part in said.err, said.err


def test_arrays_that_are_no_images_are_refused():
    with pytest.raises(InputError, match="NaN or infinity"):
        ganbaru.evaluate(np.full((60, 8, 8, 1), np.nan), "digits")
    with pytest.raises(InputError, match="from -1 to 1.*--range"):
        ganbaru.evaluate(np.linspace(-1, 1, 60 * 64).reshape(60, 8, 8, 1), "digits")


def test_a_generator_of_nan_is_reported(here, monkeypatch):
    """Weights that are not finite are refused when they are read; images may still overflow."""
    floats = generators.Generator.floats
    monkeypatch.setattr(generators.Generator, "floats", lambda *x: floats(*x) * np.nan)
    said = command("evaluate", "a", "--scorer", "random")
    assert said.code == 1 and "not finite (NaN)" in said.err


def test_baselines_of_fewer_images_have_a_note(here):
    images, _ = (part[:400] for part in unseen())
    found = ganbaru.evaluate(images, "digits", number=400, scorer="random")
    assert (found.passport.reals, found.passport.fakes) == (400, 400)
    assert found.passport.floor == "300 test images" and "300 other" in found.notes[0]


def test_unreadable_scores_are_named(tmp_path):
    (tmp_path / "scores.json").write_text('{"evaluations": [1]}')
    with pytest.raises(InputError, match=r"scores\.json.*Delete it"):
        metrics.stored(tmp_path)


@needs_real_data
def test_stacked_mnist_stacks_the_digits_of_its_labels(monkeypatch):
    monkeypatch.setenv("GANBARU_DATA", REAL)
    monkeypatch.setattr(stacked_mnist, "COUNTS", {"train": 700, "test": 300})
    grey, stacked = (data.load(name, split="test") for name in ("mnist", "stacked-mnist"))
    assert stacked.images.shape == (300, 28, 28, 3) and len(stacked.classes) == 1000
    places = stacked_mnist.digit_indices("test", len(grey.images))
    for i in (0, 7, 299):
        for channel in range(3):
            expected = grey.images[places[i, channel], ..., 0]
            assert (stacked.images[i, ..., channel] == expected).all()
        digits_of = "".join(str(label) for label in grey.labels[places[i]])
        assert stacked.classes[stacked.labels[i]] == digits_of


@pytest.mark.extended
@needs_real_data
def test_stacked_mnist_is_scored_channel_by_channel(monkeypatch):
    monkeypatch.setenv("GANBARU_DATA", REAL)
    monkeypatch.setattr(scorer, "RECIPE", scorer.Recipe(width=4, shown=12_800))
    monkeypatch.setattr(stacked_mnist, "COUNTS", {"train": 1500, "test": 600})
    test = data.load("stacked-mnist", split="test")
    found = ganbaru.evaluate(test.images, "stacked-mnist")
    assert found.passport.scorer.startswith("mnist channel by channel")
    assert found.scores["modes"].value == pytest.approx(len(np.unique(test.labels)), rel=0.1)
    collapsed = ganbaru.evaluate(test.images[test.labels < 500], "stacked-mnist")
    assert collapsed.scores["modes"].value < 0.65 * found.scores["modes"].value
    assert collapsed.scores["class_kl"].value > found.scores["class_kl"].value + 0.3


def test_scorers_that_learn_nothing_may_use_all_training_images(here):
    """The protocol of papers: all training images against as many fakes; classifiers half."""
    source = digits()
    both = {name: maker(name, None, None, "numpy", "cpu") for name in ("random", "classifier")}
    found = {
        name: evaluator.make_evaluator(source, digits("test"), make, number=len(source.images))
        for name, make in both.items()
    }
    reference = found["random"].split.reference
    assert np.array_equal(reference, np.arange(len(source.images)))
    assert found["random"].passport(60, (8, 8, 1)).reals == len(source.images)
    seen, unseen_half = scorer.halves(source)
    assert np.array_equal(found["classifier"].split.reference, np.sort(unseen_half))
