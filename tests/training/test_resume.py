"""A resumed run is, bit for bit, the run that was never interrupted."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from train_helpers import (
    ENGINES,
    assert_same_state,
    background,
    command,
    divided,
    films,
    frames,
    grids,
    last_images,
    log,
    needs_posix,
    newest,
    tiny,
    trained,
    until,
)

from ganbaru import callbacks, data, train
from ganbaru.config import to_yaml
from ganbaru.metrics import candidates, evaluation
from ganbaru.training import checkpoint, setup

VARIANTS = {
    "plain": {},
    "unconditional": {"conditioning": "none"},
    "two D updates": {"d_steps": 2},
    "relativistic": {"objective": "rasgan"},
    "relativistic, two D updates": {"objective": "rsgan", "d_steps": 2, "conditioning": "planes"},
    "penalties": {"objective": "wgan", "penalty": "wgan-gp+r1"},
    "replacement": {"replacement": True},
    "float64": {"precision": "float64"},
    "the very same fakes, G first": {"share": "fakes", "order": "g-first"},
    "short batches": {"short_batch": True},
    "a strength that adapts": {"augment": "flip+translation+adaptive:hold=10,images=90,start=0.4"},
    "RMSprop, clipped, falling rates": {
        "optimiser": "rmsprop",
        "clip": 0.02,
        "schedule": "cosine:start=20,end=90",
    },
}


def _named(engine) -> tuple[str, list]:
    return (engine, []) if isinstance(engine, str) else (engine.values[0], engine.marks)


def in_parts(folder: Path, cuts: list[int], steps: int, **options) -> Path:
    """Train up to each cut, then to the end, going on from the checkpoint each time."""
    for i, total in enumerate([*cuts, steps]):
        run = trained(folder, steps=total, resume=i > 0, **options)
    return run


def assert_same_run(parts: Path, whole: Path) -> None:
    assert_same_state(parts, whole)
    assert log(parts) == log(whole)
    drawn, expected = grids(parts), grids(whole)
    assert {images: drawn[images] for images in expected} == expected
    for name, film in films(whole).items():
        shown = dict(zip(sorted(drawn), frames(films(parts)[name]), strict=True))
        for images, frame in zip(sorted(expected), frames(film), strict=True):
            np.testing.assert_array_equal(shown[images], frame)


# By default on NumPy those that combine the others, and on PyTorch what its steps differ in.
DEFAULT = {
    "numpy": [name for name in [*VARIANTS][4:] if name not in ("replacement", "float64")],
    "torch": ["penalties"],
}


@pytest.mark.parametrize(
    ("engine", "gan"),
    [
        pytest.param(
            engine,
            gan,
            marks=[
                *marks,
                *[pytest.mark.extended] * (gan not in DEFAULT.get(engine, [*VARIANTS])),
            ],
        )
        for engine, marks in map(_named, ENGINES)
        for gan in VARIANTS
    ],
)
def test_parts_equal_the_whole(tmp_path, trained_run, engine, gan):
    options = {"engine": engine, **VARIANTS[gan]}
    whole = trained_run(**options)
    # An epoch has 5 batches, a line of the log 3: both cuts fall inside the one or the other.
    parts = in_parts(tmp_path, [4, 6], 12, run=tmp_path / "parts", **options)
    assert_same_run(parts, whole)
    assert len(log(whole)) == (8 if "d_steps" in options else 4)


@pytest.mark.compiled
@pytest.mark.parametrize("engine", ["tensorflow", "jax"])
def test_parts_equal_the_whole_where_steps_are_compiled(tmp_path, engine):
    """A program that is compiled again gives the same bits."""
    pytest.importorskip(engine)
    options = {"engine": engine, "conditioning": "none", "checkpoint_every": 40, "keep": 9}

    def train_to_12(run: Path, **more) -> Path:
        used = [callbacks.Log(), callbacks.Checkpoints()]
        return train(tiny(tmp_path, run=run, **options, **more), used)

    whole, parts = train_to_12(tmp_path / "whole"), tmp_path / "parts"
    shutil.copytree(whole, parts)
    for later in checkpoint.found(parts / "checkpoints")[1:]:  # as if killed after 5 steps
        later.unlink()
    train_to_12(parts, resume=True)
    assert_same_state(parts, whole)
    assert log(parts) == log(whole)


def test_parts_equal_the_whole_wherever_they_are_cut(tmp_path):
    """Held-out losses and all."""
    options = {"data": divided(tmp_path / "set")}
    whole = trained(tmp_path, run=tmp_path / "whole", **options)
    held_out = [line["images"] for line in log(whole) if "held_out_g_loss" in line]
    assert held_out == [48, 96]

    @settings(max_examples=2)
    @given(st.sets(st.integers(1, 11), min_size=1, max_size=3))
    def check(cuts):
        parts = in_parts(tmp_path, sorted(cuts), 12, run=tmp_path / "parts", **options)
        assert_same_run(parts, whole)
        assert grids(parts).keys() == grids(whole).keys() | {8 * cut for cut in cuts}
        shutil.rmtree(parts)

    check()


def test_other_seed_is_another_run(trained_run):
    """The comparison above can fail."""
    one, other = trained_run(), trained_run(seed=1)
    with pytest.raises(AssertionError):
        assert_same_state(one, other)
    assert log(one) != log(other)


@pytest.mark.parametrize("classes", [0, 3])
def test_films_of_parts_cut_at_milestones_are_the_same_bytes(tmp_path, trained_run, classes):
    """The films written again at a resume are those that were written frame by frame."""
    options = {} if classes else {"conditioning": "none"}
    whole = trained_run(**options)
    parts = in_parts(tmp_path, [5, 10], 12, run=tmp_path / "parts", **options)
    assert films(parts) == films(whole) and len(films(whole)) == 1 + classes


@pytest.mark.parametrize("objective", ["wgan", "rasgan"])
def test_held_out_losses_of_parts_are_those_of_the_whole(tmp_path, objective):
    """Also where the short line at a cut has them already, since it goes again."""
    options = {"data": divided(tmp_path / "set"), "objective": objective}
    whole = trained(tmp_path, run=tmp_path / "whole", **options)
    first = trained(tmp_path, run=tmp_path / "parts", steps=5, **options)
    assert "held_out_d_loss" in log(first)[-1] and log(first)[-1]["images"] == 40
    trained(tmp_path, run=tmp_path / "parts", resume=True, **options)
    assert_same_run(tmp_path / "parts", whole)
    assert sum("held_out_d_loss" in line for line in log(whole)) == 2


@pytest.mark.parametrize("gap", [0, 3])
def test_a_run_keeps_the_class_numbers_that_it_began_with(tmp_path, monkeypatch, gap):
    """As one begun when folders were sorted as text, or labels without images were classes."""
    names = ("0", "1", "10", "2") if not gap else ("0", "1", "2", "3")
    folders = names if not gap else ("0", "1", "3")
    for i in range(43):
        path = tmp_path / "set" / folders[i % len(folders)] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).integers(0, 256, (16, 16), np.uint8)
        Image.fromarray(noise).save(path)
    plain = setup.load_data
    with monkeypatch.context() as old:
        old.setattr(setup, "load_data", lambda *how: data.in_order(plain(*how), names))
        run = trained(tmp_path, data=tmp_path / "set", steps=4)
        whole = trained(tmp_path, data=tmp_path / "set", steps=8, run=tmp_path / "whole")
    trained(tmp_path, data=tmp_path / "set", steps=8, resume=True)
    assert tuple(newest(run)[1].data["classes"]) == names
    assert_same_state(run, whole)
    own = evaluation.reals(
        candidates.find(run, "newest", "numpy", "auto", None, data.silent, ()),
        None,
        None,
        data.silent,
    )[0]
    assert own.classes == names and own.fingerprint == newest(run)[1].data["fingerprint"]


def test_a_checkpoint_of_format_1_goes_on(tmp_path, trained_run):
    """It has the log's `reports`, of the steps since its last line, beside the other fields."""
    whole = trained_run()
    run = trained(tmp_path, steps=4)
    path = checkpoint.found(run / "checkpoints")[-1]
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["ganbaru"])
    header["format"] = 1
    header["reports"] = header.pop("callbacks")["log"]["reports"]
    assert len(header["reports"]) == 1
    save_file(load_file(path), path, {"ganbaru": json.dumps(header)})
    trained(tmp_path, resume=True)
    assert_same_run(run, whole)


# --- real processes ---------------------------------------------------------------------------

KILLED = {"log_every": 40, "sample_every": 80, "checkpoint_every": 160, "keep": 2}


def started(folder: Path, **options) -> tuple[Path, list]:
    """Write the configuration of a long run; return its folder and the words that start it."""
    config = tiny(folder, steps=10**6, run=folder / "stopped", **options)
    (folder / "config.yaml").write_text(to_yaml(config))
    return folder / "stopped", ["train", "--config", folder / "config.yaml"]


@needs_posix
def test_interrupted_run_goes_on_as_if_it_had_not_stopped(tmp_path):
    run, words = started(tmp_path, **KILLED)
    with background(*words, cwd=tmp_path) as process:
        until(lambda: last_images(run) >= 160, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGINT and err == ""
    stopped = newest(run)[1]
    goes_on = f"ganbaru train --run {run} --resume"
    assert goes_on in out and f"{stopped.images:,} images" in out
    total = stopped.step + 20
    assert command(*goes_on.split()[1:], "--steps", total).code == 0
    whole = trained(tmp_path, run=tmp_path / "whole", steps=total, **KILLED)
    assert_same_run(run, whole)


@needs_posix
def test_killed_run_goes_on_from_its_checkpoint_without_leaving_doubles(tmp_path):
    run, words = started(tmp_path, **KILLED)

    def ahead() -> bool:
        saved = checkpoint.found(run / "checkpoints")
        return len(saved) > 1 and last_images(run) > int(saved[-1].stem) + 80

    with background(*words, cwd=tmp_path) as process:
        until(ahead, process)
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    saved = checkpoint.found(run / "checkpoints")
    assert max(grids(run)) > int(saved[-1].stem)
    (run / "checkpoints" / f".ganbaru-{saved[-1].stem}abcdef.tmp").write_bytes(b"half")
    with (run / "log.jsonl").open("a") as file:
        file.write('{"images": 99999999, "st')  # what a crash in the middle of a line leaves
    steps = newest(run)[1].step + 7  # fewer than the killed run had gone on for
    assert command("train", "--run", run, "--resume", "--steps", steps).code == 0
    whole = trained(tmp_path, run=tmp_path / "whole", steps=steps, **KILLED)
    assert_same_run(run, whole)
    assert grids(run).keys() == grids(whole).keys() and films(run) == films(whole)
    images = [line["images"] for line in log(run)]
    assert images == sorted(set(images)) and images[-1] == 8 * steps
    assert not [name for name in os.listdir(run / "checkpoints") if name.startswith(".")]


def test_a_grid_for_which_a_killed_run_had_no_time_is_drawn(tmp_path):
    whole = trained(tmp_path, run=tmp_path / "whole", steps=10)
    run = trained(tmp_path, steps=5)
    (run / "samples" / "0000000040.png").unlink()
    trained(tmp_path, steps=10, resume=True)
    assert grids(run) == grids(whole)
