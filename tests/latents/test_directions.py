"""Directions: linear fits find the truth, files are checked, edits move where they should."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from train_helpers import command

from ganbaru import api, errors, files, nn
from ganbaru.latents import finding
from ganbaru.latents.layer_features import discriminator, last_features
from ganbaru.sampling import directions as known
from ganbaru.sampling import image_io
from ganbaru.sampling.players import load_player

pytestmark = pytest.mark.usefixtures("small")
RUN, FILE = "zoo:digits", Path("digits-directions.json")


def unit(vector) -> known.Direction:
    return known.Direction(list(map(float, vector)), "test", "0")


@settings(max_examples=5)
@given(st.integers(0, 2**32), st.sampled_from([100, 300]))
def test_a_fit_finds_the_direction_that_decides(seed, count):
    rng = np.random.default_rng(seed)
    w, truth = rng.normal(size=(count, 6)), np.eye(6)[2]
    found = finding.fitted(w, w @ truth > 0, "test", "0")
    assert np.dot(found.vector, truth) > 0.8 and found.accuracy > 0.8
    assert_allclose(np.linalg.norm(found.vector), 1)
    chance = finding.fitted(w, rng.permutation(w @ truth > 0), "test", "0")
    assert chance.accuracy < found.accuracy


def test_one_example_of_a_kind_has_no_accuracy():
    found = finding.fitted(np.eye(4)[:3], np.array([True, False, False]), "test", "0")
    assert found.accuracy is None and found.vector[0] > 0


@given(st.integers(0, 2**32), st.floats(-10, 10))
def test_steps_have_their_length_and_keep_what_they_should(seed, step):
    rng = np.random.default_rng(seed)
    w, vectors = rng.normal(size=(3, 5)), rng.normal(size=(2, 5))
    a, b = (unit(v / np.linalg.norm(v)) for v in vectors)
    moved = known.moved(w, {"a": step}, {"a": a}, []) - w
    assert_allclose(moved @ a.vector, step, atol=1e-9)
    kept = known.moved(w, {"a": 1.0}, {"a": a, "b": b}, ["b"]) - w
    assert_allclose(kept @ b.vector, 0, atol=1e-9)


def test_features_of_the_last_layer_give_its_result(trained_run):
    """D's last layer is linear: its logits are those features times its weights."""
    player = discriminator(trained_run(conditioning="none"), "auto", ())
    images = np.random.default_rng(0).uniform(-1, 1, (70, 1, 16, 16)).astype(np.float32)
    features = last_features(player, images).astype(np.float64)
    weights = (player.parameters, player.buffers)
    logits = np.ravel(nn.apply(player.network, *weights, images, training=False)[0])
    rows = [x.ravel() for x in player.parameters.values() if x.size == features.shape[1]]
    assert any(np.ptp(features @ row - logits) < 1e-4 for row in rows)  # equal but for a bias
    assert discriminator(RUN, "auto", ()) is None


def test_directions_are_found_stored_listed_and_removed(digits):
    said = command("directions", RUN)
    assert said.code == 0 and not FILE.exists()
    found = api.directions(RUN, main=2, components=2, progress=False)
    assert found.new == ("main-1", "main-2", "component-1", "component-2") and files.is_ours(FILE)
    assert all(place.exists() for place in found.sheets)
    rng = np.random.default_rng(0)
    latents, labels = digits.latents(range(16)), digits.labels(range(16))
    plain = digits.floats(latents, labels)

    def change(vector) -> float:
        moved = latents + np.float32(0.5) * np.asarray(vector, np.float32)
        return float(np.abs(digits.floats(moved, labels) - plain).mean())

    random = [change(v / np.linalg.norm(v)) for v in rng.normal(size=(8, 32))]
    assert all(change(each.vector) > 1.2 * np.mean(random) for each in found.directions.values())
    also = found.directions["main-1"].also
    assert also["main-2"] == pytest.approx(0, abs=1e-6) and abs(also["component-1"]) > 0.3
    again = command("directions", RUN, "--drop", "main-2", "--json")
    assert json.loads(again.out)["directions"].keys() == {*found.new} - {"main-2"}
    assert not (FILE.with_suffix("") / "main-2.png").exists()
    assert api.directions(RUN, progress=False).directions.keys() == {*found.new} - {"main-2"}


def test_answers_and_examples_give_a_direction_that_edits(digits):
    """The brightness of an image is found from answers, and an edit raises it."""
    bright = digits.sample(200, labels=3).mean((1, 2, 3))
    rows = [f"{i},{'yes' if x > np.median(bright) else 'no'}" for i, x in enumerate(bright)]
    Path("t.csv").write_text("seed,answer\n" + "\n".join(rows))
    said = command("directions", RUN, "--name", "bright", "--answers", "t.csv", "--label", 3)
    assert said.code == 0, said.err
    order = np.argsort(bright).tolist()
    both = {"plus": order[-9:], "minus": order[:9]}
    found = api.directions(RUN, name="by-seeds", label=3, **both, progress=False).directions
    assert found["bright"].accuracy > 0.7 and found["bright"].also["by-seeds"] > 0.2
    for name in found:
        edited = api.edit(RUN, {name: 1.5}, "out.npz", seed=500, number=16, label=3)
        assert edited.images.mean() > edited.before.mean() + 3
    assert command("edit", RUN, "--along", "bright=-1", "--label", 3, "-o", "folder").code == 0
    assert {each.name for each in Path("folder").iterdir()} == {
        "seed-0.png",
        "sheet.png",
        "edit.npz",
    }
    arrays = np.load("out.npz")
    assert_array_equal(
        arrays["images"], image_io.to_bytes(digits.floats(arrays["latents"], arrays["labels"]))
    )
    assert np.linalg.norm(
        arrays["latents"] - digits.latents(range(500, 516)), axis=1
    ) == pytest.approx(1.5, rel=1e-4)
    image_io.save_png(Path("a.png"), digits.sample(1, 10**6)[0])
    by_picture = api.edit(RUN, {"bright": 0.0}, None, pictures=["a.png"], progress=False)
    assert by_picture.names == ("a.png",)
    assert np.abs(by_picture.images[0].astype(int) - digits.sample(1, 10**6)[0]).mean() < 2


def test_labels_that_latents_do_not_decide_are_at_chance():
    found = api.directions(RUN, labels="digits", number=100, progress=False)
    assert found.new and all(name.startswith("label-") for name in found.new)
    assert np.mean([found.directions[name].accuracy for name in found.new]) < 0.7


def test_an_unconditional_run_gets_directions_of_its_labels(trained_run, digits):
    """Each label has a direction or a note on why not; a conditional one takes --label."""
    run = trained_run(conditioning="none", data="digits", image_size="16", steps=3)
    found = api.directions(run, labels=True, number=60, progress=False)
    assert len(found.new) + len(found.notes) == 10
    with pytest.raises(errors.InputError, match="--label"):
        api.directions(RUN, labels=True, progress=False)


def test_uniform_latents_stay_in_their_range(trained_run):
    run = trained_run(distribution="uniform")
    api.directions(run, main=1, progress=False)
    assert (run / "directions.json").exists() and (run / "directions" / "main-1.png").exists()
    edited = api.edit(next((run / "checkpoints").iterdir()), {"main-1": 9.0}, None, number=4)
    assert np.abs(edited.latents).max() <= 1


GOOD = {"vector": [1.0] + [0.0] * 31, "way": "test", "checkpoint": "0"}
DAMAGED = {
    "an accuracy alone": {"a": {**GOOD, "accuracy": 0.5, "chance": None}},
    "another length": {"a": {**GOOD, "vector": [1.0]}},
    "another norm": {"a": {**GOOD, "vector": [0.5] + [0.0] * 31}},
    "no number": {"a": {**GOOD, "vector": [float("nan")] * 32}},
    "a path as name": {"../a": GOOD},
    "an odd name": {"a b": GOOD},
    "a field of no use": {"a": {**GOOD, "module": "os"}},
    "no vector": {"a": {"way": "test", "checkpoint": "0"}},
    "accuracy above 1": {"a": {**GOOD, "accuracy": 2}},
    "too many": {f"a{i}": GOOD for i in range(known.MOST + 1)},
    "no directions": None,
}


@pytest.mark.parametrize("words", [["directions", RUN], ["edit", RUN, "--along", "a=1"]])
@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_files_are_refused(case, words):
    FILE.write_text(json.dumps({"directions": {"a": GOOD}}))
    assert command("directions", RUN).code == 0
    FILE.write_text(json.dumps({"directions": DAMAGED[case]}))
    said = command(*words)
    assert said.code == 2 and str(FILE) in said.err and not Path("edit.png").exists()


WRONG = {
    "an unknown direction": (["edit", RUN, "--along", "smilin=1"], ["smilin", "smiling"]),
    "no number": (["edit", RUN, "--along", "smiling"], ["smiling=", "+1.5"]),
    "NaN": (["edit", RUN, "--along", "smiling=nan"], ["nan", "-10 to 10"]),
    "too far": (["edit", RUN, "--along", "smiling=11"], ["11", "-10 to 10"]),
    "none": (["edit", RUN], ["--along"]),
    "unknown to keep": (["edit", RUN, "--along", "smiling=1", "--keep", "old"], ["old", "smiling"]),
    "nothing left": (["edit", RUN, "--along", "smiling=1", "--keep", "smiling"], ["--keep"]),
    "a label that it lacks": (["edit", RUN, "--along", "smiling=1", "--label", 11], ["11", "9"]),
    "unknown to remove": (["directions", RUN, "--drop", "smilin"], ["smiling"]),
    "no examples": (["directions", RUN, "--name", "x"], ["--answers", "--plus"]),
    "no name": (["directions", RUN, "--plus", "1", "--minus", "2"], ["--name"]),
    "an odd name": (["directions", RUN, "--name", "../x", "--plus", "1", "--minus", "2"], ["../x"]),
    "seeds of one kind": (["directions", RUN, "--name", "x", "--plus", "1"], ["--minus"]),
    "a seed of both": (["directions", RUN, "--name", "x", "--plus", "1,2", "--minus", "2"], ["2"]),
    "a negative seed": (["directions", RUN, "--name", "x", "--plus=-1", "--minus", "2"], ["-1"]),
    "a picture as answers": (["directions", RUN, "--name", "x", "--answers", "a.png"], ["a.png"]),
    "other answers": (["directions", RUN, "--name", "x", "--answers", "b.csv"], ["line 2"]),
    "one answer": (["directions", RUN, "--name", "x", "--answers", "c.csv"], ["same"]),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs_are_one_message(case, digits):
    FILE.write_text(json.dumps({"directions": {"smiling": GOOD}}))
    before = FILE.read_bytes()
    image_io.save_png(Path("a.png"), digits.sample(1)[0])
    Path("b.csv").write_text("1,yes\n2,maybe\n")
    Path("c.csv").write_text("1,yes\n2,1\n")
    words, said_of = WRONG[case]
    said = command(*words)
    assert said.code == 2 and not said.out and said.err.count("\n") <= 2
    assert all(word in said.err for word in said_of), said.err
    assert FILE.read_bytes() == before


def test_main_directions_are_those_of_the_page():
    from ganbaru.export.page import directions as page
    from ganbaru.export.page import plan

    player = load_player(RUN)
    found = finding.main(player, 3, "0")
    expected = page.main(plan.traced(player), 32).vectors[:3]
    assert_allclose(np.abs([x.vector for x in found.values()]), np.abs(expected), atol=1e-6)
