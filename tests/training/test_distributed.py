"""Whole runs on several ranks: threads in this process, and real processes under torchrun."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from train_helpers import NO_PLOTS, ROOT, command, log, needs_posix, needs_torch, newest, tiny

from ganbaru import callbacks, ranks
from ganbaru.config import Config, to_yaml
from ganbaru.errors import DivergedError, InputError, RunError
from ganbaru.ranks import Group, threads
from ganbaru.training import distributed, recovery
from ganbaru.training.run import Callback, Run

SKIPPED = (callbacks.History, callbacks.LossPlot, callbacks.HtmlReport, callbacks.TimeLapse)


def _callbacks() -> list[Callback]:
    return [each for each in callbacks.standard() if not isinstance(each, SKIPPED)]


def _train(config: Config, group: Group, *more: Callback, interrupted=lambda: False) -> Run:
    called = [*_callbacks(), *more] if group.leads else []
    run = distributed.build(config, called)
    return recovery.train(run, lambda: called, interrupted)


def _on(size: int, config: Config, *more: Callback) -> list[Run]:
    return threads.run(size, lambda group: _train(config, group, *more))


def _apart(one: Path, other: Path) -> float:
    """Return the largest difference of two runs' logs and states."""
    pairs = zip(log(one), log(other), strict=True)
    lines = [abs(a[key] - b[key]) for a, b in pairs for key in a.keys() | b.keys()]
    mine, theirs = newest(one)[0], newest(other)[0]
    return max(
        *lines,
        *(
            float(np.abs(x - theirs[group][name]).max(initial=0))
            for group, arrays in mine.items()
            for name, x in arrays.items()
        ),
    )


def _config(folder: Path, **options) -> Config:
    given = {"precision": "float64", "penalty": "r1", "seed": 2, "held_out": 0, **options}
    return tiny(folder, width=2, **given)


def test_runs_are_the_same_on_any_number_of_ranks_and_go_on_on_another(tmp_path):
    whole = _config(tmp_path, augment="translation+adaptive:hold=8", batch=4, images=48)
    _on(1, dataclasses.replace(whole, run=str(tmp_path / "one")))
    elastic = dataclasses.replace(whole, run=str(tmp_path / "elastic"), images=16)
    for size, images in ((2, 16), (4, 32), (1, 48)):
        part = dataclasses.replace(elastic, images=images, resume=images > 16)
        _on(size, part)
    assert _apart(tmp_path / "one", tmp_path / "elastic") < 1e-9


def test_the_same_number_of_ranks_resumes_bit_for_bit(tmp_path):
    whole = _config(tmp_path, precision="float32")
    _on(2, dataclasses.replace(whole, run=str(tmp_path / "one")))
    for steps in (5, 12):
        part = dataclasses.replace(whole, run=str(tmp_path / "two"), steps=steps)
        _on(2, dataclasses.replace(part, resume=steps > 5))
    assert _apart(tmp_path / "one", tmp_path / "two") == 0


class _After(Callback):
    """Does something after a step."""

    def __init__(self, step: int, action) -> None:
        self.at, self.action = step, action

    def step(self, run: Run, metrics) -> None:
        if run.step == self.at:
            self.action(run)


def _raising(error: Exception):
    def action(run: Run) -> None:
        raise error

    return action


def test_all_ranks_end_after_the_same_step(tmp_path):
    config = _config(tmp_path)
    stopped = _on(3, dataclasses.replace(config, batch=9), _After(4, lambda run: run.stop("x")))
    assert [run.step for run in stopped] == [4, 4, 4]
    assert all(run.finished for run in stopped)

    calls = []

    def interrupted() -> bool:  # of rank 1 alone
        calls.append(ranks.world().rank)
        return ranks.world().rank == 1 and calls.count(1) > 3

    config = dataclasses.replace(config, run=str(tmp_path / "other"))
    runs = threads.run(2, lambda group: _train(config, group, interrupted=interrupted))
    assert [run.step for run in runs] == [3, 3]
    assert not any(run.finished for run in runs)
    assert newest(tmp_path / "other")[1].step == 3


def test_an_error_of_a_callback_ends_all_ranks_and_a_divergence_rolls_all_back(tmp_path):
    with pytest.raises(RunError, match="the disk"):
        _on(2, _config(tmp_path), _After(3, _raising(RunError("the disk"))))
    once = [DivergedError("NaN")]

    def diverge(run: Run) -> None:
        if once:
            raise once.pop()

    config = _config(tmp_path, run=tmp_path / "back", checkpoint_every=16, on_trouble="rollback")
    runs = _on(2, config, _After(5, diverge))
    assert {run.config.lr for run in runs} == {config.lr / 2}
    assert {run.step for run in runs} == {12}


BAD = {
    "a batch that ranks do not divide": ({"batch": 7}, "14|6|8"),
    "short batches": ({"short_batch": True}, "short.batch"),
    "a part of the batch that ranks do not divide": (
        {"batch": 4, "penalty": "fd-r1", "norm": "none"},
        "part=1",
    ),
}


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("options", BAD)
def test_what_cannot_be_divided_is_refused(options, accumulate, tmp_path):
    given, fix = BAD[options]
    size = 2 if accumulate == 1 else 1
    with pytest.raises(InputError, match=fix):
        _on(size, _config(tmp_path, accumulate=accumulate, **given))
    assert not (tmp_path / "run").exists()


def test_other_options_and_other_data_of_a_rank_are_refused(tmp_path, monkeypatch):
    config = _config(tmp_path)
    other = dataclasses.replace(config, lr=0.125)
    with pytest.raises(InputError, match=r"1 has (--lr|lr=?)\D*0.125"):
        threads.run(2, lambda group: _train(other if group.rank else config, group))
    given = np.load(config.data)
    np.savez(tmp_path / "other.npz", images=given["images"][::-1], labels=given["labels"])

    swapped = dataclasses.replace(config, data=str(tmp_path / "other.npz"))
    real = distributed.setup.load_data

    def load(config: Config, *more):
        return real(config if ranks.world().leads else swapped, *more)

    monkeypatch.setattr(distributed.setup, "load_data", load)
    with pytest.raises(InputError, match="ank 1"):
        _on(2, config)


@pytest.mark.parametrize("devices", [2, 100])
def test_more_devices_than_an_engine_divides_batches_over_are_refused(devices, tmp_path):
    with pytest.raises(InputError, match=r"devices.*torchrun"):
        _on(1, _config(tmp_path, devices=devices))


def _rank(number: int, folder: Path, *arguments: str) -> subprocess.Popen:
    place = {"RANK": number, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _PORT}
    paths = os.pathsep.join(map(str, (NO_PLOTS, ROOT / "src")))
    return subprocess.Popen(
        [sys.executable, "-m", "ganbaru", "train", *arguments],
        env={**os.environ, **{name: str(x) for name, x in place.items()}, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )


_PORT = 29_000 + os.getpid() % 1_000


@pytest.mark.extended
@needs_posix
@needs_torch
@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_rank_that_is_killed_or_stopped_ends_the_other_and_the_run_resumes(
    number, victim, tmp_path
):
    config = _config(tmp_path, steps=100_000, checkpoint_every=16)
    (tmp_path / "run.yaml").write_text(to_yaml(config))
    each = [_rank(i, tmp_path, "--config", "run.yaml") for i in range(2)]
    while not list(tmp_path.glob("run/checkpoints/*.safetensors")):
        assert all(process.poll() is None for process in each)
        time.sleep(0.1)
    each[victim].send_signal(number)
    texts = [process.communicate(timeout=100)[1] for process in each]
    codes = [process.returncode for process in each]
    if number == signal.SIGTERM:
        assert codes == [143, 143]
    else:
        assert codes[victim] == -9
        assert codes[1 - victim] == 1
        assert f"Rank {victim} of 2" in texts[1 - victim]
    step = newest(tmp_path / "run")[1].step
    _on(1, dataclasses.replace(config, steps=step + 2, resume=True))
    assert newest(tmp_path / "run")[1].step == step + 2


@pytest.mark.extended
@needs_torch
def test_a_rank_that_never_joins_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("GANBARU_TIMEOUT", "3")
    process = _rank(0, tmp_path, "digits", "--run", "run")
    text = process.communicate(timeout=100)[1]
    assert process.returncode == 1
    assert "Rank 1 of 2" in text
    assert not (tmp_path / "run").exists()


FOUR_DEVICES = """
from bench.distributed import apart, trained
from ganbaru import engines, errors, ranks
options = {"objective": "rasgan", "penalty": "r1", "minibatch_deviation": True, "devices": 4,
           "augment": "flip+rotation", "conditioning": "projection"}
engines.own_process()
found = trained(options, 2, ranks.ALONE, "jax")
assert max(apart(trained({**options, "devices": 1}, 2, ranks.ALONE), found)) < 1e-9
try:
    engines.load("jax", "cpu").over(5)
except errors.InputError as error:
    print(error)
"""


@pytest.mark.compiled
@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="needs jax")
def test_jax_divides_batches_over_devices():
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "src")))
    done = subprocess.run(
        [sys.executable, "-c", FOUR_DEVICES],
        env={**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "1 to 4" in done.stdout


@pytest.mark.extended
@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="needs jax")
def test_processes_of_jax_train_as_one_does(tmp_path):
    config = _config(tmp_path, engine="jax", augment="translation", batch=4, steps=3)
    (tmp_path / "run.yaml").write_text(to_yaml(config))
    paths = os.pathsep.join(map(str, (NO_PLOTS, ROOT / "src")))
    place = {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{_PORT}", "JAX_NUM_PROCESSES": "2"}
    each = [
        subprocess.Popen(
            [sys.executable, "-m", "ganbaru", "train", "--config", "run.yaml"],
            env={**os.environ, **place, "JAX_PROCESS_ID": str(rank), "PYTHONPATH": paths},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        for rank in range(2)
    ]
    found = [process.communicate(timeout=600) for process in each]
    assert [process.returncode for process in each] == [0, 0], found
    assert [out.count("Done:") for out, _ in found] == [1, 0]
    _on(1, dataclasses.replace(config, run=str(tmp_path / "one")))
    assert _apart(tmp_path / "one", tmp_path / "run") < 1e-9


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"JAX_COORDINATOR_ADDRESS": "here"}, "here.*host:port"),
        ({"JAX_COORDINATOR_ADDRESS": "127.0.0.1:1", "JAX_NUM_PROCESSES": "two"}, "two"),
    ],
)
@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="needs jax")
def test_a_wrong_environment_of_jax_is_refused(given, said, tmp_path, monkeypatch):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    found = command("train", "digits", "--run", tmp_path / "run")
    assert found.code == 2
    assert re.search(said, found.err)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("mesh", "fix"), [(True, "jax"), (False, "torch")])
def test_ranks_started_for_another_engine_are_refused(mesh, fix, tmp_path, monkeypatch):
    monkeypatch.setattr("ganbaru.engines.numpy.Engine.RANKS", mesh)  # as JAX under torchrun
    monkeypatch.setattr(threads.Threads, "mesh", mesh)
    with pytest.raises(InputError, match=f"--engine {fix}"):
        _on(2, _config(tmp_path))


def test_weights_that_drift_apart_end_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(distributed, "CHECK_EVERY", 4)
    config = _config(tmp_path)

    def work(group: Group) -> Run:
        run = distributed.build(config, [])
        if group.rank == 1:
            run.state["ema"] = {name: x + 1e-6 for name, x in run.state["ema"].items()}
        return recovery.train(run, list, lambda: False)

    with pytest.raises(RunError, match=r"ank 1 .*ema\..* step 4"):
        threads.run(2, work)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"WORLD_SIZE": "2"}, "MASTER_ADDR"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE"),
        ({"RANK": "2"}, "0 to 1"),
        ({"GANBARU_TIMEOUT": "soon"}, "GANBARU_TIMEOUT"),
    ],
)
def test_a_wrong_environment_is_refused(given, said, tmp_path, monkeypatch):
    complete = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    for name, value in (given if given == {"WORLD_SIZE": "2"} else complete | given).items():
        monkeypatch.setenv(name, value)
    found = command("train", "digits", "--run", tmp_path / "run")
    assert found.code == 2
    assert said in found.err
    assert not (tmp_path / "run").exists()


def _two_processes(cwd: Path, *words: str) -> list[subprocess.Popen]:
    """Start two ranks as a launcher does, which itself takes 4 s to import PyTorch."""
    return [_rank(i, cwd, *words) for i in range(2)]


def _torchrun(cwd: Path, *words: str) -> list[subprocess.Popen]:
    paths = os.pathsep.join(map(str, (NO_PLOTS, ROOT / "src")))
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--"]
    started = subprocess.Popen(
        [sys.executable, "-m", *launcher, "ganbaru", "train", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return [started]


@needs_torch
@pytest.mark.parametrize(
    "start", [_two_processes, pytest.param(_torchrun, marks=pytest.mark.extended)]
)
def test_two_processes_train_as_one_does(start, tmp_path):
    options = ["--steps", "4", "--width", "2", "--batch", "8", "--precision", "float64"]
    options += ["--held-out", "0", "--log-every", "8", "--seed", "1", "--engine", "torch"]
    started = start(tmp_path, "digits", *options, "--run", "two")
    said = [process.communicate(timeout=240) for process in started]
    assert [process.returncode for process in started] == [0] * len(started), said
    assert sum(out.count("Done:") for out, _ in said) == 1  # one rank prints
    found = command("train", "digits", *options, "--run", tmp_path / "one")
    assert found.code == 0, found.err
    assert _apart(tmp_path / "one", tmp_path / "runs" / "two") < 1e-9
    assert math.isfinite(log(tmp_path / "one")[-1]["d_loss"])
