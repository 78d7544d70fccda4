"""Plans: arithmetic by a fake clock, plans of real trials, and dry runs that write nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from train_helpers import command

import ganbaru
from ganbaru import InputError, callbacks
from ganbaru.data import Source
from ganbaru.planning import plan, trial
from ganbaru.planning.trial import Pace
from ganbaru.training.lock import Lock

SECONDS = st.floats(1e-4, 100)
PACES = st.builds(Pace, SECONDS, SECONDS, SECONDS, st.integers(1, 512), st.integers(100, 10**5))
TINY = ("digits", "--width", "1", "--batch", "8", "--engine", "numpy", "--held-out", "0")


@given(PACES, st.floats(1, 10**6))
def test_images_and_seconds_are_inverse(pace, budget):
    images = pace.images(budget)
    assert images % pace.batch == 0
    assert not images or pace.seconds(images) <= budget * (1 + 1e-9)
    assert pace.seconds(images + pace.batch) > budget * (1 - 1e-9)


class _Clock:
    """A clock that only moves when it is set forward."""

    now = 100.0

    def __call__(self):
        return self.now


class _Work(callbacks.Callback):
    """Lets a step, and each sample grid beside it, take a known time."""

    def __init__(self, clock, step, grid):
        self.clock, self.each, self.drawing = clock, step, grid

    def start(self, run):
        self.clock.now += 7  # of the first step alone

    def step(self, run, metrics):
        self.clock.now += self.each

    def grid(self, run, path):
        self.clock.now += self.drawing if run.images else 0


@pytest.mark.parametrize("step, grid, seconds", [(0.5, 3.0, 4.0), (9.0, 0.0, 0.1)])
def test_a_pace_is_measured_by_the_clock(monkeypatch, step, grid, seconds):
    clock = _Clock()
    usual = callbacks.Log([]), callbacks.Samples()
    monkeypatch.setattr(callbacks, "standard", lambda: [*usual, _Work(clock, step, grid)])
    config = ganbaru.from_preset("digits", width=1, batch=8, engine="numpy", held_out=0, images=80)
    tried = trial.measure(config, seconds, lambda *x: None, clock)
    assert tried.pace.step == pytest.approx(step) and tried.pace.grid == pytest.approx(grid)
    assert tried.pace.first == pytest.approx(7) and tried.pace.batch == 8
    assert not tried.run.folder.path.exists()
    found = plan.of_trial(config, tried)
    begun = max(0.0, 7 - step)
    assert found.images == 80
    assert found.seconds == pytest.approx(begun + 10 * step + 80 / config.sample_every * grid)
    minutes = plan.of_trial(dataclasses.replace(config, images=None, minutes=5), tried)
    assert minutes.seconds <= 300 < minutes.seconds + 2 * step + grid
    assert min(found.memory, found.disk, *found.parameters) > 0


@pytest.fixture
def light(monkeypatch):
    """Let trials have two steps, and neither plots nor reports."""
    monkeypatch.setattr(plan, "SECONDS", 1e-9)
    monkeypatch.setattr(trial, "LEAST", 2)
    monkeypatch.setattr(callbacks, "standard", lambda: [callbacks.Log([]), callbacks.Samples()])


@pytest.mark.parametrize("preset", ["mnist", "small", "wgan-mnist", "r3gan-cifar10"])
def test_every_kind_of_preset_has_a_plan(preset, light):
    given = {"data": "digits", "image_size": "16", "channels": 1, "width": 4, "batch": 8}
    given |= {"engine": "numpy", "augment": "none", "replacement": True}
    found = ganbaru.plan(preset, progress=False, **given)
    assert found.pictures == 1_497 and found.shape == (16, 16, 1) and found.seconds > 0
    assert found.batch == 8 and found.legible_images


def test_commands_print_plans_and_write_nothing(tmp_path, monkeypatch, light):
    monkeypatch.chdir(tmp_path)
    said = command("plan", *TINY, "--minutes", "2", "--json")
    found = json.loads(said.out)
    assert said.code == 0 and found["seconds"] <= 120
    assert found.keys() == {field.name for field in dataclasses.fields(plan.Plan)}
    dry = command("train", *TINY, "--images", "80", "--dry-run")
    assert dry.code == 0 and "80 images" in dry.out
    assert command("train", *TINY, "--images", "80", "--dry-run", "--run", "mine").code == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.compiled
def test_a_plan_is_measured_again_where_programs_were_compiled(tmp_path, monkeypatch, light):
    """As the run after it finds them: stored."""
    jax = pytest.importorskip("jax")
    jax.config.update("jax_compilation_cache_dir", None)  # that of another test's run
    monkeypatch.setenv("GANBARU_CACHE", str(tmp_path))
    options = {"width": 1, "batch": 8, "engine": "jax", "held_out": 0, "progress": False}
    true, trials = trial._tried, []

    def tried(*given):
        trials.append(true(*given))
        return trials[-1]

    monkeypatch.setattr(trial, "_tried", tried)
    first = ganbaru.plan("digits", **options)
    assert [each.compiled for each in trials] == [True, False]
    later = ganbaru.plan("digits", **options)
    assert [each.compiled for each in trials[2:]] == [False]
    assert plan.COMPILED in first.notes and plan.COMPILED not in later.notes
    assert trials[0].pace.first > 2 * trials[1].pace.first


@pytest.mark.parametrize("state", ["other", "run", "locked", "missing"])
def test_a_dry_run_refuses_the_folders_that_training_refuses(state, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "plan", lambda config: pytest.fail("a trial before the refusal"))
    options, folder = ["--images", "80", "--run", str(tmp_path / "mine")], tmp_path / "mine"
    with contextlib.ExitStack() as until_end:
        if state in ("other", "locked"):
            folder.mkdir()
            (folder / "notes.txt").touch()
        if state == "locked":
            lock = until_end.enter_context(contextlib.closing(Lock(folder)))
            assert lock.path.exists()
        if state == "run":
            assert command("train", *TINY, *options).code == 0
        if state == "missing":
            options.append("--resume")
        if state == "other":
            options.append("--overwrite")
        true = command("train", *TINY, *options)
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        dry = command("train", *TINY, *options, "--dry-run")
        assert true.code == dry.code == 2 and true.err == dry.err
        assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


@pytest.mark.parametrize(
    "options",
    [
        {"what": "no/such/set"},
        {"device": "cuda:9"},
        {"data": "digit"},
        {"seconds": 0},
        {"what": ganbaru.Config()},
        {"patience": 3},
    ],
)
def test_bad_input(options):
    what = options.pop("what", "digits")
    with pytest.raises(InputError):
        ganbaru.plan(what, engine="numpy", **{"seconds": 0.1, **options})
    if "device" in options:
        assert command("plan", *TINY, "--device", "cuda:9").code == 2


def _source(images):
    return Source("made", images, None, (), "")


def test_the_record_is_of_the_same_kind_and_size():
    rng = np.random.default_rng(0)
    photographs = rng.integers(0, 256, (60, 64, 64, 3), np.uint8)
    drawings = np.where(rng.random((60, 28, 28, 1)) < 0.3, 255, 0).astype(np.uint8)
    assert plan.legible(_source(photographs)).side == 64
    assert plan.legible(_source(drawings)).side == 28
    assert plan.legible(_source(photographs[:, :16, :16])) is None
