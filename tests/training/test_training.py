"""When a run ends, what it leaves behind, and what it does when its numbers explode."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from train_helpers import (
    ENGINES,
    assert_same_state,
    command,
    grids,
    log,
    newest,
    pictures,
    run_with,
    tiny,
    trained,
)

import ganbaru
from ganbaru import Config, InputError, RunError, callbacks, train
from ganbaru.sampling import generators, image_io
from ganbaru.training import checkpoint, setup

# --- totals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("totals", "steps"),
    [
        ({"steps": 7}, 7),
        ({"images": 33}, 5),  # 40 images are the first whole number of batches
        ({"images": 40}, 5),
        ({"epochs": 0.5}, 3),  # of 43 pictures
        ({"steps": 7, "images": 33}, 5),
        ({"steps": 4, "images": 1000, "epochs": 20, "minutes": 60}, 4),
    ],
)
def test_first_total_reached_ends_the_run(tmp_path, totals, steps):
    run = run_with(tiny(tmp_path, **{"steps": None, **totals}))
    assert (run.step, run.images) == (steps, 8 * steps)


def test_any_totals_end_the_run_at_the_smallest(tmp_path):
    run = setup.build(tiny(tmp_path, width=2))

    @settings(max_examples=200)
    @given(
        st.integers(1, 50),
        st.integers(1, 400),
        st.floats(0.1, 9),
        st.sampled_from([1, 2, 3]),
        st.sets(st.sampled_from(["steps", "images", "epochs"]), min_size=1),
    )
    def check(steps, images, epochs, turns, given_):
        each = {"steps": steps, "images": images, "epochs": epochs}
        totals = {name: each[name] if name in given_ else None for name in each}
        run.config = tiny(tmp_path, d_steps=turns, **totals)
        run.step = 0
        while True:
            run.images = run.step * 8 * turns
            if run.share >= 1:
                break
            run.step += 1
        needed = {"steps": steps, "images": math.ceil(images / 8 / turns),
                  "epochs": math.ceil(epochs * 43 / 8 / turns)}  # fmt: skip
        assert run.step == min(needed[name] for name in given_)

    check()


def test_minutes_are_minutes(tmp_path):
    began = time.perf_counter()
    run = run_with(tiny(tmp_path, steps=None, minutes=0.005))
    assert 0.3 <= run.seconds <= time.perf_counter() - began
    assert run.step > 1


def test_d_updates_count_their_images(tmp_path):
    run = run_with(tiny(tmp_path, steps=3, d_steps=4))
    assert (run.step, run.images) == (3, 3 * 4 * 8)


def test_short_batches_count_the_images_that_are_in_them(tmp_path):
    """43 pictures are 5 batches of 8 and one of 3: an epoch ends with its last picture."""
    run = run_with(tiny(tmp_path, steps=None, epochs=2, short_batch=True))
    assert (run.step, run.images) == (12, 86)
    assert not [note for note in run.notes if "left out" in note]
    dropped = run_with(tiny(tmp_path, steps=None, epochs=2, run=tmp_path / "other"))
    assert (dropped.step, dropped.images) == (11, 88)


def test_short_batches_are_counted_in_everything_that_counts_images(tmp_path):
    options = {"steps": 12, "short_batch": True, "log_every": 8, "checkpoint_every": 43}
    run = trained(tmp_path, keep=9, **options)
    images = [8, 16, 24, 32, 40, 43, 51, 59, 67, 75, 83, 86]
    assert [line["step"] for line in log(run)] == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]
    assert {line["images"] for line in log(run)} == set(images) - {43}
    assert [int(path.stem) for path in checkpoint.found(run / "checkpoints")] == [43, 86]
    assert sorted(grids(run)) == [0, 40, 83, 86]


def test_a_run_cut_after_a_short_batch_draws_no_grid_of_its_own(tmp_path):
    """Killed at 43 images, having drawn at 40: the next grid is due at 80."""
    options = {"short_batch": True, "checkpoint_every": 43, "keep": 9, "steps": 12}
    whole = trained(tmp_path, run=tmp_path / "whole", **options)
    run = trained(tmp_path, **{**options, "steps": 6})
    (run / "samples" / "0000000043.png").unlink()  # a killed run draws no last grid
    trained(tmp_path, **options, resume=True)
    assert grids(run) == grids(whole)
    assert_same_state(run, whole)


def test_with_replacement_no_batch_is_short(tmp_path):
    """So none can leave one image by itself, as 43 pictures in batches of 7 would."""
    options = {"batch": 7, "short_batch": True, "steps": 3}
    with pytest.raises(InputError, match="leave one image by itself"):
        setup.build(tiny(tmp_path, **options))
    run = run_with(tiny(tmp_path, replacement=True, **options))
    assert run.images == 21


@pytest.mark.parametrize(
    "totals", [{"steps": 5}, {"images": 33}, {"epochs": 0.9}, {"minutes": 0.001}]
)
def test_finished_run_says_how_to_go_on(tmp_path, totals):
    run = trained(tmp_path, **{"steps": None, **totals})
    before = newest(run)[1]
    again = ["train", "--run", run, "--resume"]
    said = command(*again)
    assert said.code == 2 and f"The run {run} is complete: {before.images:,} images" in said.err
    suggested = re.search(r"for example (--\w+ \d+)\.$", said.err).group(1)
    config = Config(**{**before.config, "resume": True})
    name = suggested.split()[0].strip("-")
    larger = ganbaru.config.merged(dataclasses.asdict(config), {name: suggested.split()[1]})
    resumed = setup.build(ganbaru.config.from_fields(larger, None))
    assert resumed.images == before.images and 0 < resumed.share < 1


def test_larger_total_goes_on(tmp_path):
    run = trained(tmp_path, steps=3)
    said = command("train", "--run", run, "--resume", "--steps", 6)
    assert said.code == 0 and "at 24 images until 6 steps" in said.out
    assert newest(run)[1].step == 6


def test_total_of_another_kind_replaces_the_first_at_resume(tmp_path):
    run = trained(tmp_path, steps=3)
    assert command("train", "--run", run, "--resume", "--images", 40).code == 0
    header = newest(run)[1]
    assert (header.images, header.config["steps"], header.config["images"]) == (40, None, 40)


# --- what a run leaves ------------------------------------------------------------------------


def test_run_folder(tmp_path):
    run = train(tiny(tmp_path))
    assert {path.name for path in run.iterdir()} == {
        "config.yaml", "log.jsonl", "checkpoints", "samples", "timelapse.gif", "timelapse",
        "history.png", "losses.png", "about.json", "report.html",
    }  # fmt: skip
    assert sorted(grids(run)) == [0, 40, 80, 96]
    assert [path.stem for path in checkpoint.found(run / "checkpoints")] == ["0000000096"]


def test_log_lines_are_means_of_the_steps_since_the_last(tmp_path):
    class Steps:
        """Keeps the reports of all steps."""

        def __init__(self):
            self.reports = []

        def start(self, run): ...

        def step(self, run, report):
            self.reports.append({name: float(value) for name, value in report.items()})

        def end(self, run): ...

    steps = Steps()
    config = tiny(tmp_path, steps=8)
    run = train(config, [steps, callbacks.Log()])
    lines = log(run)
    assert [line["images"] for line in lines] == [24, 48, 64]
    assert [line["step"] for line in lines] == [3, 6, 8]
    for line, part in zip(lines, (slice(0, 3), slice(3, 6), slice(6, 8)), strict=True):
        for name in ("d_loss", "g_loss", "real_score", "fake_score"):
            mean = np.mean([report[name] for report in steps.reports[part]])
            assert line[name] == pytest.approx(mean, rel=1e-12)


def test_log_has_time_and_speed(trained_run):
    run = trained_run()
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    seconds, images = 0.0, 0
    for line in lines:
        # Both ends of the interval are rounded to milliseconds, the speed to a tenth.
        taken, shown = line["seconds"] - seconds, line["images"] - images
        speed = line["images_per_second"]
        assert shown / (speed + 0.06) - 0.002 <= taken <= shown / (speed - 0.06) + 0.002
        seconds, images = line["seconds"], line["images"]
    assert newest(run)[1].seconds == pytest.approx(lines[-1]["seconds"], abs=0.001)


@pytest.mark.parametrize("engine", ENGINES)
def test_samples_are_those_of_the_averaged_generator(trained_run, engine):
    run = trained_run(engine=engine)
    groups, _ = newest(run)
    differs = [not np.array_equal(groups["ema"][n], a) for n, a in groups["generator"].items()]
    assert all(differs)
    images = generators.load(run, engine=engine).sample(48)  # 8 rows of twice the 3 classes
    with Image.open(run / "samples" / "0000000096.png") as drawn:
        expected = image_io.enlarge(image_io.grid(images, 6))[:, :, 0]
        assert np.abs(np.asarray(drawn, int) - expected).max() <= 1


def test_keep_leaves_the_newest_checkpoints(tmp_path):
    run = trained(tmp_path, checkpoint_every=16, keep=2)
    assert [int(path.stem) for path in checkpoint.found(run / "checkpoints")] == [80, 96]


def test_checkpoints_come_when_a_multiple_is_passed(tmp_path):
    run = trained(tmp_path, checkpoint_every=30, keep=99)
    assert [int(path.stem) for path in checkpoint.found(run / "checkpoints")] == [32, 64, 96]


def test_notes_say_what_is_left_out(tmp_path):
    *others, dropped = setup.build(tiny(tmp_path)).notes
    assert [note for note in others if "few-images" in note]
    assert dropped == "The last 3 images of each pass make no full batch and are left out of it."
    whole = setup.build(tiny(tmp_path, replacement=True, run=tmp_path / "other"))
    assert whole.notes == others


def test_data_smaller_than_a_batch_with_replacement(tmp_path):
    pictures(tmp_path / "pictures.npz", count=5)
    with pytest.raises(InputError, match="batch of 8 is larger than the data"):
        setup.build(tiny(tmp_path))
    assert run_with(tiny(tmp_path, replacement=True, steps=2)).step == 2


# --- divergence -------------------------------------------------------------------------------

OWN = """
import ganbaru

@ganbaru.objective()
class breaks:
    "Turns into NaN as soon as D likes fakes less than -0.02."

    def d(real_scores, fake_scores):
        from ganbaru import ops
        return ops.mean(fake_scores) - ops.mean(real_scores)

    def g(real_scores, fake_scores):
        from ganbaru import ops
        return ops.sqrt(ops.mean(fake_scores) + LIMIT)
"""


def diverging(tmp_path, monkeypatch, limit: float):
    """Put an objective on the path whose loss becomes NaN once fakes score below -limit."""
    module = f"breaks_{str(limit).replace('.', '_')}"
    (tmp_path / f"{module}.py").write_text(OWN.replace("LIMIT", str(limit)))
    monkeypatch.syspath_prepend(str(tmp_path))
    return f"{module}.breaks"


OFTEN = {"steps": 10_000, "lr": 0.01, "sample_every": 16, "checkpoint_every": 16}


@pytest.mark.parametrize("engine", ENGINES)
def test_nan_stops_the_run_and_leaves_the_last_good_checkpoint(tmp_path, monkeypatch, engine):
    options = {**OFTEN, "objective": diverging(tmp_path, monkeypatch, 2), "engine": engine}
    # Lines of the log are far apart: saving and drawing must notice for themselves.
    with pytest.raises(RunError) as stopped:
        trained(tmp_path, **{**options, "log_every": 10**6})
    run = tmp_path / "run"
    good = checkpoint.found(run / "checkpoints")[-1]
    said = str(stopped.value)
    assert "became NaN or infinite" in said and f"The last good checkpoint is {good}." in said
    assert "Try a lower --lr, a penalty such as --penalty r1" in said
    for path in checkpoint.found(run / "checkpoints"):
        groups, _ = checkpoint.load(path)
        assert all(np.isfinite(a).all() for arrays in groups.values() for a in arrays.values())
    assert max(grids(run)) == int(good.stem)
    assert generators.load(run).sample(2).std() > 0


def test_nan_in_a_loss_is_named_by_the_log(tmp_path, monkeypatch):
    options = {**OFTEN, "objective": diverging(tmp_path, monkeypatch, 1)}
    with pytest.raises(RunError, match="g_loss.* became NaN or infinite"):
        trained(tmp_path, **{**options, "log_every": 8})
    assert all(math.isfinite(v) for line in log(tmp_path / "run") for v in line.values())


def test_rate_far_too_high(tmp_path):
    config = tiny(tmp_path)
    options = ["--lr", "1e12", "--objective", "least-squares"]
    where = ["--data", config.data, "--run", config.run, "--batch", 8, "--width", 4]
    said = command("train", *options, *where, "--steps", 200, "--log-every", 80)
    assert said.code == 1 and said.err.count("\n") == 1
    assert "ganbaru: The training diverged before" in said.err
    assert "No checkpoint was due yet." in said.err
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_a_run_started_again_is_the_same_run(tmp_path, trained_run):
    first = trained_run()
    run = trained(tmp_path, seed=5)
    trained(tmp_path, overwrite=True)
    assert_same_state(run, first)
    assert grids(run) == grids(first)
