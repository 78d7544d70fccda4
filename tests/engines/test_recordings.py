"""Recorded steps of the PyTorch engine: replayed operation by operation on a CPU, and refused."""

from __future__ import annotations

import dataclasses
import functools
import re

import numpy as np
import pytest
from gan_cases import GAMES
from helpers import normal, table
from numpy.testing import assert_allclose
from train_helpers import command, tiny

from ganbaru import engines, ops, registry
from ganbaru.gan import step

torch = pytest.importorskip("torch")
from cuda_stand_in import Cuda  # noqa: E402
from torch_tape import recorded  # noqa: E402

from ganbaru.engines.torch import cuda_graph, indexing, training_mode  # noqa: E402

TORCH32, TORCH64 = (engines.load("torch", "cpu", kind) for kind in ("float32", "float64"))


def _plays(gan, train_step, steps: int) -> list[dict]:
    reports = []
    for number in range(steps):
        batches = gan.draw.step(number)
        counts = len(batches.d), 1 - number / 50, 8 * number, 8
        schedule = step.step_schedule(gan.gan, number, *counts)
        gan.state, report = train_step(gan.state, batches, schedule)
        reports.append(report)
    return [{name: float(x) for name, x in report.items()} for report in reports]


def _assert_same(one, other, reports: list[dict], others: list[dict]) -> None:
    """Compare losses and states; a recorded rate is float32, in a float64 game too."""
    for found, expected in zip(reports, others, strict=True):
        assert found == pytest.approx(expected, rel=0, abs=1e-7)
    for group, arrays in other.arrays().items():
        for name, array in arrays.items():
            assert_allclose(one.arrays()[group][name], array, rtol=0, atol=1e-7)


def _games(loss=None, **options) -> list:
    """Return a game twice; `loss` makes D's, if it is not the game's."""
    games = [table(TORCH64, **options) for _ in range(2)]
    for each in games if loss else ():
        each.gan = dataclasses.replace(each.gan, d_loss=loss())
    return games


def _both(steps: int, loss=None, **options) -> tuple:
    """Train two games, one by recordings, with rates that fall; return what `_assert_same` takes.

    The recorder comes first.
    """
    plain, gan = _games(loss, **options)
    recorder = recorded(gan)
    expected = _plays(plain, functools.partial(step.train_step, plain.gan), steps)
    found = _plays(gan, recorder, steps)
    assert (recorder.refused, recorder.notes) == ("", []) and recorder.replays
    return recorder, gan, plain, found, expected


BURN_IN = {"penalty": "r1:end=1+r2", "beta2_end": 0.9, "ema_images": 50, "burn_in": 60}


def _by_default(game) -> object:
    """Return a game, extended if it is one of a single objective or penalty.

    Of these each is recorded alone, and some together, in "everything at once" and "burn-in".
    """
    plain = not {*game.values[0]} - {"objective", "penalty", "conditioning", "norm"}
    marks = [*game.marks, *[pytest.mark.extended] * plain]
    return pytest.param(*game.values, id=game.id, marks=marks)


@pytest.mark.parametrize("options", [*map(_by_default, GAMES), pytest.param(BURN_IN, id="burn-in")])
def test_a_recorded_step_is_the_step(options):
    """Six steps or, with short batches, twenty; the last ones are replays of operations alone."""
    short = options.get("short_batch")
    recorder, *results = _both(20 if short else 6, **options)
    _assert_same(*results)
    assert len(recorder.replays) == (2 if short else 1)  # which share one state


@pytest.mark.parametrize("network", registry.names("networks"))
def test_every_network_can_be_recorded(network):
    shape = (64, 64, 1) if network == "patchgan" else (32, 32, 1)
    objective = "two-class" if network == "dcgan-5x5" else "non-saturating"
    gan = table(TORCH32, shape, network=network, width=2, objective=objective)
    recorder = recorded(gan)
    assert np.isfinite([list(report.values()) for report in _plays(gan, recorder, 5)]).all()
    assert not recorder.refused and len(recorder.replays) == 1


def test_replays_keep_the_state_where_it_is_and_reports_apart():
    gan = table(TORCH32)
    recorder, reports = recorded(gan), []
    for number in range(8):
        batches = gan.draw.step(number)
        before = gan.state
        gan.state, report = recorder(before, batches, step.step_schedule(gan.gan, number, 1))
        reports.append((report, {name: float(x) for name, x in report.items()}))
        assert (gan.state is before) == (number > 0)  # from the first rehearsal on
    for report, early in reports:  # read at the end, as the log does
        assert {name: float(x) for name, x in report.items()} == early
    assert len({early["d_loss"] for _, early in reports}) == 8


# --- steps that no recording repeats ----------------------------------------------------------


class _Growing:
    """A loss times a Python number, which grows from its `since`-th use on."""

    def __init__(self, since: int) -> None:
        self.uses, self.since = 0, since

    def __call__(self, real, fake):
        self.uses += 1
        return ops.mean(fake * fake) * (1.0 + max(0, self.uses - self.since)) + ops.mean(real**2)


def test_a_number_that_is_recorded_as_it_was_is_found_by_replaying():
    """It changes after the recording, too late for a rehearsal: these tests would see it."""
    _, *results = _both(6, functools.partial(_Growing, since=4))
    with pytest.raises(AssertionError):
        _assert_same(*results)
    _, *results = _both(6, functools.partial(_Growing, since=100))
    _assert_same(*results)


def _reading(real, fake):
    return ops.mean(fake * fake) * float(ops.stop_gradient(ops.mean(real)))


def _picking(real, fake):
    return ops.mean(fake * fake) + ops.sum(real[real > 0.0])


REFUSED = {
    "reads": (lambda: _reading, "_local_scalar_dense"),
    "sizes": (lambda: _picking, "nonzero|index"),
    "grows": (lambda: _Growing(0), "mul.Tensor 3.0.*mul.Tensor 4.0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_step_that_cannot_be_repeated_is_rehearsed_and_never_recorded(name):
    make, reason = REFUSED[name]
    games = _games(make)

    def record(work, stream):
        raise AssertionError("it was to be recorded")

    recorder = recorded(games[1], record=record)
    expected = _plays(games[0], functools.partial(step.train_step, games[0].gan), 6)
    _assert_same(games[1], games[0], _plays(games[1], recorder, 6), expected)
    (note,) = recorder.notes
    assert recorder.refused in note and not recorder.replays and not recorder.rehearsed
    assert re.search(reason, recorder.refused), recorder.refused


def test_a_rehearsal_that_fails_half_way_leaves_nothing_behind():
    """D is updated in place, then G's update refuses a rate that is a tensor."""
    games = _games()

    def train_step(gan, state, batches, schedule):
        state, metrics = step.discriminator_update(gan, state, batches.d[0], schedule.d[0])
        if not isinstance(schedule.ema_decay, float):
            raise TypeError("a float is needed")
        return state, metrics

    steps = [functools.partial(train_step, each.gan) for each in games]
    recorder = recorded(games[1], steps[1])
    expected = _plays(games[0], steps[0], 5)
    _assert_same(games[1], games[0], _plays(games[1], recorder, 5), expected)
    assert recorder.refused == "a float is needed"


# --- CUDA's own calls, by a stand-in ------------------------------------------------------------


def _stepping(fails_at: int):
    """Return a step in Python numbers that fails at its call `fails_at`, and counts its calls."""
    calls = []

    def train_step(state, x):
        calls.append(x)
        if len(calls) == fails_at:
            raise RuntimeError("operation not permitted when stream is capturing\nand more")
        return {"a": {"w": state["a"]["w"] + x}}, {"loss": torch.sum(x)}

    return train_step


@pytest.mark.parametrize("end_fails", [False, True])
@pytest.mark.parametrize("error", ["in the step", "only at the end", ""])
def test_a_refused_recording_restores_stream_and_allocator(monkeypatch, end_fails, error):
    """And the first error is the reason; one stream serves warm-up and recording."""
    cuda = Cuda(monkeypatch, fails=end_fails or error == "only at the end")
    recorder = cuda_graph.Recorder(_stepping(4 if error == "in the step" else 0))
    state, x = {"a": {"w": torch.zeros(3)}}, torch.ones(3)
    for _ in range(40):
        state, _ = recorder(state, x)
        assert cuda.current is cuda.before and cuda.allocating == []
    assert [one.device for one in cuda.streams] == [torch.device("cuda:1")]
    assert cuda.capturing is cuda.streams[0]
    if not cuda.fails and not error:
        assert not recorder.refused and len(recorder.replays) == 1 and cuda.ended == []
        return
    expected = {"in the step": "operation not permitted when stream is capturing"}
    said = expected.get(error, "operation failed due to a previous error during capture")
    assert recorder.refused == said and said in recorder.notes[0] and len(recorder.notes) == 1
    assert cuda.resets == 1 and len(cuda.ended) == (1 if cuda.fails else 0)
    # On a CPU what is recorded is computed too, if the step gets to its end.
    assert_allclose(state["a"]["w"].numpy(), 40 + (error != "in the step"))


def test_an_interrupted_recording_is_no_refusal(monkeypatch):
    cuda = Cuda(monkeypatch, fails=False)

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cuda_graph.CudaRecord()(interrupted, cuda.Stream("cuda:1"))
    assert cuda.current is cuda.before and cuda.allocating == []


def test_the_first_error_is_a_note_of_the_run(tmp_path, monkeypatch):
    """Which the command prints once, at the end."""

    def compiled(self, function):
        return cuda_graph.Recorder(function, lambda work, stream: 1 / 0)

    monkeypatch.setattr(type(TORCH32), "compile_step", compiled)
    data = tiny(tmp_path).data
    words = ["--data", data, "--engine", "torch", "--steps", "6", "--width", "4", "--batch", "8"]
    said = command("train", *words, "--run", str(tmp_path / "run"))
    assert said.code == 0 and said.err == "" and said.out.count("division by zero") == 1


# --- constants ----------------------------------------------------------------------------------


def test_constants_live_as_long_as_the_step():
    """Those of a recording are read by its graph: none of a hundred may be freed meanwhile."""
    like, constants = TORCH64.from_numpy(normal(1)), {}
    with indexing.keeping(constants):
        first = [ops.one_hot([i, 2 * i], 200, like) for i in range(100)]
        held = {id(x) for x in constants.values()}
        again = [ops.one_hot([i, 2 * i], 200, like) for i in range(100)]
    assert len(held) == 100 and held == {id(x) for x in constants.values()}
    for number, pair in enumerate(zip(first, again, strict=True)):
        for rows in pair:
            assert rows.argmax(1).tolist() == [number, 2 * number]
    ops.one_hot([3, 4], 5, like)
    assert len(constants) == 100  # outside, nothing is kept


def test_lists_that_change_in_every_step_are_not_kept_for_ever(monkeypatch):
    monkeypatch.setattr(indexing, "MOST_KEPT", 3)
    constants = {}
    with indexing.keeping(constants):
        for i in range(9):
            assert ops.one_hot([i], 9, TORCH64.from_numpy(normal(1))).argmax(1).item() == i
    assert len(constants) == 3


@pytest.mark.parametrize("fast", [True, False])
def test_a_compiled_step_keeps_its_own_constants(fast):
    """The same ones in every call, and not those of another step."""
    seen = []

    def train_step(state, x):
        ops.one_hot([1, 2], 3, x)
        seen.append(indexing._kept.get())
        return state, {}

    for _ in range(2):
        made = training_mode.compile_step(train_step, "cuda", "float32", fast)
        inner = made.train_step if fast else made
        for _ in range(2):
            inner({}, torch.zeros(1))
    assert all(len(each) == 1 for each in seen) and len({id(each) for each in seen}) == 2
