"""Periodic evaluation: when, its scores, the best checkpoint, and early stopping."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from train_helpers import (
    assert_same_state,
    command,
    log,
    newest,
    pictures,
    run_with,
    tiny,
    trained,
)

from ganbaru import InputError, callbacks, metrics
from ganbaru.callbacks import periodic_evaluation, plots
from ganbaru.metrics import efficientnet, milestones
from ganbaru.sampling import generators
from ganbaru.training import checkpoint, run_folder, setup

BEST = Path("checkpoints/best.safetensors")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with 240 random pictures, enough to score with."""
    folder = tmp_path_factory.mktemp("milestones")
    pictures(folder / "pictures.npz", count=240)
    return folder


SCORED = {"evaluate_every": 40, "evaluate_images": 50}  # a line of the log is 24 images


def scripted(monkeypatch, distances: dict[int, float]) -> None:
    """Replace the scores by a table, by images."""
    monkeypatch.setattr(
        periodic_evaluation.PeriodicEvaluation,
        "score",
        lambda self, run: dict.fromkeys(("frechet", "mind"), distances[run.images]),
    )


# --- real scores ------------------------------------------------------------------------------


def test_scores_in_the_log_are_those_of_evaluate(place):
    run = trained(place, run=place / "real", **SCORED)
    scored = {line["images"]: line for line in log(run) if "frechet" in line}
    assert list(scored) == [48, 96]
    best = min(scored, key=lambda images: scored[images]["mind"])
    assert checkpoint.load(run / BEST)[1].images == best
    found = metrics.evaluate(run, checkpoint="best", number=50, seed=periodic_evaluation.SEED)
    other = metrics.evaluate(run, checkpoint="best", number=50)  # of seeds that did not choose it
    assert scored[best]["frechet"] != other.scores["frechet"].value
    for name in ("frechet", "mind", "precision", "recall", "density", "coverage", "label_accuracy"):
        assert scored[best][name] == found.scores[name].value, name
    assert "kernel" not in scored[best] and "cas" not in scored[best]
    assert found.passport.reals == found.passport.fakes == 50


def test_run_without_the_option_is_not_evaluated(place, monkeypatch):
    monkeypatch.setattr(metrics, "evaluator_for", lambda *a, **k: pytest.fail("made an evaluator"))
    run = trained(place, run=place / "plain", steps=3)
    assert not (run / BEST).exists() and not (run / "milestones.json").exists()
    assert all("frechet" not in line for line in log(run))


def test_too_few_pictures_are_refused_and_nothing_is_deleted(tmp_path):
    pictures(tmp_path / "few.npz", count=60)
    run = trained(tmp_path, data=tmp_path / "few.npz", steps=2)
    with pytest.raises(InputError, match=r"too few images.*To train without.*--evaluate-every 0"):
        trained(tmp_path, data=tmp_path / "few.npz", overwrite=True, **SCORED)
    assert newest(run)[1].images == 16


def test_other_scoring_is_not_mixed_in(place):
    run = trained(place, run=place / "mixed", steps=6, **SCORED)
    with pytest.raises(InputError, match=r"cannot be compared .*fakes: 50 and 60.*Go on with"):
        trained(place, run=run, steps=12, resume=True, evaluate_every=40, evaluate_images=60)
    trained(place, run=run, steps=12, resume=True)  # without scores
    assert [line["images"] for line in log(run) if "frechet" in line] == [48]


def test_a_resumed_run_keeps_its_scorer(tmp_path, monkeypatch):
    """As a run from before its package was installed does."""
    pictures(tmp_path / "colour.npz", count=240, channels=3)
    options = {"data": tmp_path / "colour.npz", **SCORED}
    monkeypatch.setattr(efficientnet, "weights_file", lambda: None)
    run = trained(tmp_path, steps=6, **options)
    before = milestones.passport(run_folder.Folder(run))
    assert before.scorer.startswith("classifier")
    monkeypatch.setattr(efficientnet, "weights_file", lambda: Path(__file__))
    trained(tmp_path, run=run, steps=12, resume=True, **options)
    assert milestones.passport(run_folder.Folder(run)) == before
    assert [line["images"] for line in log(run) if "frechet" in line] == [48, 96]
    with pytest.raises(InputError, match="EfficientNet"):  # a new one has the new default
        trained(tmp_path, run=run, overwrite=True, **options)


def test_damaged_record_of_the_scoring_is_named(place):
    run = trained(place, run=place / "damaged", steps=6, **SCORED)
    (run / "milestones.json").write_text('{"passport": ')
    with pytest.raises(InputError, match=r"milestones\.json .*Delete it"):
        trained(place, run=run, steps=12, resume=True, **SCORED)
    (run / "milestones.json").unlink()
    trained(place, run=run, steps=12, resume=True, **SCORED)
    assert [line["images"] for line in log(run) if "frechet" in line] == [48, 96]


# --- collapse ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("various", "warned"),
    [((4, 20, 19, 11, 12), None), ((4, 20, 19, 9, 8), 168), ((30, 14, 16, 18, 20), 96)],
)
def test_a_fall_of_the_vendi_score_to_less_than_half_is_noted_once(
    place, monkeypatch, various, warned
):
    table = dict(zip((48, 96, 120, 168, 216), various, strict=True))
    monkeypatch.setattr(
        periodic_evaluation.PeriodicEvaluation,
        "score",
        lambda self, run: {"frechet": 1.0, "mind": 1.0, "vendi": table[run.images]},
    )
    alarm = callbacks.CollapseAlarm()
    options = {**SCORED, "sample_every": 10**6}
    config = tiny(place, run=place / f"various{warned}", steps=28, **options)
    run = run_with(config, callbacks.Log([callbacks.PeriodicEvaluation()]), alarm)
    notes = [note for note in run.notes if "collapsing" in note]
    assert len(notes) == (warned is not None)
    assert warned is None or f"at {warned} images" in notes[0]
    resumed = callbacks.CollapseAlarm()
    before = len(run.notes)
    resumed.start(run)  # says the same from the log alone
    assert run.notes[before:] == notes


# --- when, and the best -----------------------------------------------------------------------


def test_best_is_kept_beside_the_newest(place, monkeypatch):
    scripted(monkeypatch, {48: 5.0, 96: 3.0, 120: 4.0, 168: 3.0, 216: 6.0})
    run = trained(place, run=place / "kept", steps=28, checkpoint_every=24, keep=2, **SCORED)
    images = [line["images"] for line in log(run) if "frechet" in line]
    assert images == [48, 96, 120, 168, 216]  # the first lines after 40, 80, ..., 200
    assert [path.stem for path in checkpoint.found(run / "checkpoints")] == [
        "0000000216",
        "0000000224",
    ]
    assert checkpoint.load(run / BEST)[1].images == 96
    assert run_folder.find_checkpoint(run).stem == "0000000224"
    assert run_folder.find_checkpoint(run, "best") == run / BEST
    assert [path.stem for path in run_folder.find_checkpoints(run, "all")][-1] == "0000000224"
    which = {"best": run / BEST, "newest": checkpoint.found(run / "checkpoints")[-1]}
    images_of = {name: generators.load(path).sample(4) for name, path in which.items()}
    assert (images_of["best"] != images_of["newest"]).any()
    for given, used in (("best", "best"), ("newest", "newest"), (None, "best")):
        flags = ["--checkpoint", given] if given else []
        said = command("generate", run, *flags, "-n", 4, "-o", place / "made.npz", "--overwrite")
        with np.load(place / "made.npz") as made:
            np.testing.assert_array_equal(made["images"], images_of[used])
        named = "best.safetensors" in said.out and "96 images" in said.out
        assert (said.code, named) == (0, given is None)
    np.testing.assert_array_equal(generators.load(run).sample(4), images_of["best"])


def test_best_of_a_run_without_scores_is_refused(place):
    run = trained(place, run=place / "none", steps=1)
    said = command("generate", run, "--checkpoint", "best", "-n", 4, "-o", place / "x.png")
    assert said.code == 2 and "no checkpoint 'best'" in said.err and "--evaluate-every" in said.err


@pytest.mark.parametrize(
    "cuts",
    [[5, 11, 14], *(pytest.param(cuts, marks=pytest.mark.extended) for cuts in ([6], [7, 13]))],
)
def test_parts_equal_the_whole_with_the_best(tmp_path, place, monkeypatch, cuts):
    scripted(monkeypatch, {48: 5.0, 96: 3.0, 120: 4.0})
    options = {"data": place / "pictures.npz", **SCORED}
    whole = trained(tmp_path, run=tmp_path / "whole", steps=17, **options)
    for i, steps in enumerate([*cuts, 17]):
        parts = trained(tmp_path, run=tmp_path / "parts", steps=steps, resume=i > 0, **options)
    assert_same_state(parts, whole)
    assert log(parts) == log(whole)
    (one, about), (other, same) = (checkpoint.load(run / BEST) for run in (parts, whole))
    assert about.images == same.images == 96
    assert about.callbacks == same.callbacks == {"log": {"reports": []}}
    for group, arrays in one.items():
        for name, array in arrays.items():
            assert array.tobytes() == other[group][name].tobytes()


def test_scoring_is_no_training_time(place, monkeypatch):
    score = periodic_evaluation.PeriodicEvaluation.score

    def slow(self, run):
        monkeypatch.setattr(periodic_evaluation.data, "silent", lambda *a: time.sleep(0.3))
        return score(self, run)

    monkeypatch.setattr(periodic_evaluation.PeriodicEvaluation, "score", slow)
    began = time.perf_counter()
    run = trained(place, run=place / "slow", **SCORED)
    took, counted = time.perf_counter() - began, newest(run)[1].seconds
    assert took - counted > 1.0  # two scorings, each with two calls of the progress or more


# --- early stopping ---------------------------------------------------------------------------

FALLS_THEN_STAYS = {48: 5.0, 96: 3.0, 120: 4.0, 168: 3.0, 216: 2.0}


def test_patience_ends_a_run(place, monkeypatch):
    scripted(monkeypatch, FALLS_THEN_STAYS)
    options = {"run": place / "patient", "steps": 28, **SCORED}
    run = trained(place, patience=2, **options)
    assert newest(run)[1].images == 168 and checkpoint.load(run / BEST)[1].images == 96
    with pytest.raises(InputError, match="No better score in the last 2 .*larger --patience"):
        trained(place, patience=2, resume=True, **options)
    trained(place, patience=3, resume=True, **options)
    assert newest(run)[1].images == 224 and checkpoint.load(run / BEST)[1].images == 216


def test_patience_counts_over_a_stop(place, monkeypatch):
    scripted(monkeypatch, FALLS_THEN_STAYS)
    options = {"run": place / "stopped", "patience": 2, **SCORED}
    trained(place, steps=16, **options)  # 128 images: one score without progress
    run = trained(place, steps=28, resume=True, **options)
    assert newest(run)[1].images == 168


def test_command_says_why_it_ended(place, monkeypatch):
    scripted(monkeypatch, FALLS_THEN_STAYS)
    config = tiny(place, run=place / "reason", steps=28, patience=2, **SCORED)
    (place / "config.yaml").write_text(setup.to_yaml(config))
    said = command("train", "--config", place / "config.yaml")
    assert (said.code, said.err) == (0, "")
    assert "No better score in the last 2 scorings: 3." in said.out
    assert "Fréchet 5 " in said.out.replace("\n", " \n") and "best.safetensors" in said.out


def test_patience_without_scores_is_refused(place):
    with pytest.raises(InputError, match="--patience.*--evaluate-every"):
        setup.build(tiny(place, run=place / "impatient", patience=2))
    assert not (place / "impatient").exists()


# --- plot -------------------------------------------------------------------------------------


def test_score_plot_draws_scores_and_floors(tmp_path, real_plots):
    """The distance falls to its floor; each share has its colour, at its own height."""
    shares = {"precision": 0.2, "recall": 0.4, "density": 0.6, "coverage": 0.8}
    lines = [{"images": i, "frechet": 100.0 - 9 * i, **shares} for i in range(11)]
    floors = {"frechet": 10.0, **dict.fromkeys(shares, 1.0)}
    plots.scores(lines, floors, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        paper = np.asarray(image.convert("RGB"), int)[:, 80:950]
    frames = np.flatnonzero((paper < 60).all(axis=2).sum(axis=1) > 500)
    top, bottom, upper, lower = frames[np.diff(frames, prepend=-9) > 1]  # of both axes

    heights = []
    for hue in ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189)):
        near = np.abs(paper[upper + 2 : lower] - hue).sum(axis=2) < 120
        assert near.sum(axis=1).max() > 300
        heights.append(near.sum(axis=1).argmax())
    apart = -np.diff(heights)
    np.testing.assert_allclose(apart, apart.mean(), atol=2)
    falling = np.argwhere(np.abs(paper[top + 2 : bottom] - (255, 127, 14)).sum(axis=2) < 60)
    assert np.corrcoef(falling.T)[0, 1] > 0.6  # rows count downwards; the floor is level
