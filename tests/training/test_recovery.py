"""Runs that are killed at any file-system call: the next command works, and nothing is left."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
import train_helpers
from train_helpers import assert_same_state, divided, log, needs_posix, newest, tiny

from ganbaru import InputError, RunError, callbacks, data, files, train
from ganbaru.comparison import tournament
from ganbaru.comparison import training as comparison
from ganbaru.config import load_yaml
from ganbaru.engines.numpy import parallel
from ganbaru.errors import DivergedError
from ganbaru.sampling import generators
from ganbaru.training import run_folder

pytestmark = needs_posix
KILLED = 77
CALLS = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "fcntl.flock")


def apart(work: Callable[[], object], kill: tuple[Path, int] | None = None) -> int:
    """Do `work` in a process of its own, killed before the given call below a folder."""
    if not (pid := os.fork()):
        end_with(work, kill)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def end_with(work: Callable[[], object], kill: tuple[Path, int] | None = None) -> NoReturn:
    code = 99
    try:
        for cached in (parallel.thread_count, parallel._helpers, files._sweep):
            cached.cache_clear()
        os.environ["GANBARU_THREADS"] = "1"
        if kill:
            sys.addaudithook(killer(*kill))
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def killer(folder: Path, number: int) -> Callable[[str, tuple], None]:
    left = number

    def hook(event: str, arguments: tuple) -> None:
        nonlocal left
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        below = event == "fcntl.flock" or str(arguments[:1]).find(str(folder)) >= 0
        if (writes or event in CALLS) and below:
            left -= 1
            if left < 0:
                os._exit(KILLED)

    return hook


def trained(folder: Path, *, every: bool = False, **options) -> None:
    used = [callbacks.Checkpoints()]
    train(tiny(folder, **options), callbacks.standard() if every else used)


def leftovers(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob(".ganbaru*")]


OLD = {"steps": 1}
CASES = {
    "start": ({}, {"steps": 1}),
    "resume": (OLD, {"steps": 2, "resume": True}),
    "overwrite": (OLD, {"steps": 1, "seed": 1, "overwrite": True}),
}


def check(tmp_path: Path, case: str, every: bool) -> None:
    before, options = CASES[case]
    if before:
        trained(tmp_path, run=tmp_path / "old", every=every, **before)
        shutil.copytree(tmp_path / "old", tmp_path / "whole")
    trained(tmp_path, run=tmp_path / "whole", every=every, **options)
    run, number = tmp_path / "runs" / "run", 0

    def go(**more) -> None:
        files._sweep.cache_clear()  # as in another process
        trained(tmp_path, run=run, every=every, **{**options, **more})

    def again() -> None:
        """Read the run, then repeat the command, resume or overwrite, until one is not refused."""
        with contextlib.suppress(InputError):
            read(run, tmp_path / "old")
        ways = [{}, {"overwrite": False, "resume": True}, {"resume": False, "overwrite": True}]
        for more in ways if number // 3 % 2 else [ways[1], ways[0], ways[2]]:
            with contextlib.suppress(InputError):
                return go(**more)
        raise AssertionError("every command was refused")

    while True:
        shutil.rmtree(run.parent, ignore_errors=True)
        if before:
            shutil.copytree(tmp_path / "old", run)
        ended = apart(go, (run.parent, number))
        if not ended:
            break
        assert ended == KILLED
        assert apart(again) == 0, number
        assert_same_state(run, tmp_path / "whole")
        assert leftovers(tmp_path) == [], number
        number += 1 if every else 3
    assert number > 10  # calls


def read(run: Path, old: Path) -> None:
    """Generate an image; a run that is not overwritten yet has its old weights."""
    folder = run_folder.existing(run)
    if old.exists() and load_yaml(folder.config)["seed"] == 0:
        assert newest(run)[1].images >= newest(old)[1].images
    generators.load(run_folder.find_checkpoint(run)).sample(1)


@pytest.mark.parametrize(
    "case", [pytest.param("start", marks=pytest.mark.extended), "resume", "overwrite"]
)
def test_killed_at_every_third_call(tmp_path, case):
    check(tmp_path, case, every=False)


@pytest.mark.extended
@pytest.mark.parametrize("case", CASES)
def test_killed_at_any_call_of_all_callbacks(tmp_path, case):
    check(tmp_path, case, every=True)


def test_killed_after_its_last_checkpoint(tmp_path):
    """The files that are made after it are those of a whole run."""

    class Dies(callbacks.Callback):
        def end(self, run):
            os._exit(KILLED)

    used = [callbacks.Checkpoints(), Dies(), callbacks.Samples(), callbacks.TimeLapse()]
    config = tiny(tmp_path, steps=2)
    assert apart(lambda: train(config, used)) == KILLED
    resumed = [each for each in used if not isinstance(each, Dies)]
    train(replace(config, resume=True), resumed)
    whole = train(replace(config, run=str(tmp_path / "whole")), resumed)
    assert_same_state(tmp_path / "run", whole)
    for name in ("timelapse.gif", "samples/0000000016.png"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()
    with pytest.raises(InputError, match="is complete"):
        train(replace(config, resume=True), resumed)


@pytest.mark.parametrize("kind", ["images", pytest.param("content", marks=pytest.mark.extended)])
def test_killed_while_a_cache_is_written(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("GANBARU_CACHE", str(tmp_path / "cache"))
    divided(tmp_path / "set", train=3, test=0)
    found = {"images": lambda: data.load(tmp_path / "set").fingerprint.encode(),
             "content": lambda: files.cached("kind/a", lambda: b"x" * 100)}[kind]  # fmt: skip
    whole, number = found(), 0

    def again() -> None:
        assert found() == whole and leftovers(tmp_path) == []

    while True:
        shutil.rmtree(tmp_path / "cache")
        ended = apart(found, (tmp_path / "cache", number))
        assert apart(again) == 0, number
        number += 1
        if not ended:
            break
    assert number > 6  # calls


# --- one run, one writer ----------------------------------------------------------------------


def test_a_run_in_training_is_refused_with_its_process(tmp_path):
    class Tries(callbacks.Callback):
        def step(self, run, metrics):
            for how in ("resume", "overwrite"):
                with pytest.raises(
                    InputError, match=f"in use by process {os.getpid()} on .* since 2"
                ):
                    trained(tmp_path, steps=9, **{how: True})

    trained(tmp_path, steps=1)
    train(tiny(tmp_path, steps=2, resume=True), [callbacks.Checkpoints(), Tries()])
    assert newest(tmp_path / "run")[1].step == 2
    assert leftovers(tmp_path) == []
    trained(tmp_path, steps=3, resume=True)


@pytest.mark.parametrize("fault", ["diverged", "refused"])
def test_a_failed_run_is_unlocked(tmp_path, fault):
    class Fails(callbacks.Callback):
        def setup(self, run, progress):
            if fault == "refused":
                raise InputError("no")

        def step(self, run, metrics):
            raise RunError("no")

    trained(tmp_path, steps=1)
    with pytest.raises((InputError, RunError)) as caught:
        train(tiny(tmp_path, steps=2, resume=True), [Fails()])
    trained(tmp_path, steps=2, resume=True)
    assert caught.value and leftovers(tmp_path) == []


def test_runs_without_a_name_that_start_at_the_same_moment(tmp_path, monkeypatch):
    """Each has chosen its name when the others have, and none of them has made its folder."""
    monkeypatch.chdir(tmp_path)
    config = tiny(tmp_path, run=None, steps=1)

    class Waits(callbacks.Callback):
        def setup(self, run, progress):
            (tmp_path / f"ready{os.getpid()}").touch()
            deadline = time.monotonic() + 20
            while len(list(tmp_path.glob("ready*"))) < 8 and time.monotonic() < deadline:
                time.sleep(0.002)

    children = []
    for _ in range(8):
        if not (pid := os.fork()):
            end_with(lambda: train(config, [Waits(), callbacks.Checkpoints()]))
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 8
    runs = sorted((tmp_path / "runs").iterdir())
    assert [path.name[-2:] for path in runs] == [f"-{number}" for number in range(1, 9)]
    for path in runs:
        assert load_yaml(path / "config.yaml")["run"] == f"runs/{path.name}"
        assert newest(path)[1].step == 1


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_run_that_took_the_name_and_has_ended_is_not_touched(tmp_path, monkeypatch, overwrite):
    monkeypatch.chdir(tmp_path)

    class Outrun(callbacks.Callback):
        def setup(self, run, progress):
            train(tiny(tmp_path, run=run.folder.path, steps=2), [callbacks.Checkpoints()])

    config = tiny(tmp_path, run=None, steps=1, overwrite=overwrite)
    second = train(config, [Outrun(), callbacks.Checkpoints()])
    first = second.with_name(f"{second.name[:-1]}1")
    assert second.name.endswith("-2")
    assert [newest(each)[1].step for each in (first, second)] == [2, 1]


def test_comparisons_without_a_name_that_start_at_the_same_moment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        places = list(pool.map(lambda _: tournament._claimed("compare"), range(8)))
    assert len({*places}) == 8


def test_a_file_system_without_locks_is_noted(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "locked", lambda descriptor: None)
    notes = []

    class Reads(callbacks.Callback):
        def start(self, run):
            notes.extend(run.notes)

    train(tiny(tmp_path, steps=1), [Reads()])
    assert len([note for note in notes if "locked" in note]) == 1


# --- what goes wrong while a run writes -------------------------------------------------------


@pytest.mark.parametrize("gone", ["removed", "renamed"])
@pytest.mark.parametrize("every", [False, True])
def test_a_folder_that_vanishes_fails_the_run(tmp_path, gone, every):
    class Takes(callbacks.Callback):
        def step(self, run, metrics):
            if run.step == 2:
                shutil.move(run.folder.path, tmp_path / "elsewhere")
                if gone == "removed":
                    shutil.rmtree(tmp_path / "elsewhere")

    used = callbacks.standard() if every else [callbacks.Checkpoints()]
    with pytest.raises(RunError, match="removed or moved"):
        train(tiny(tmp_path, steps=4, checkpoint_every=8), [Takes(), *used])
    assert not (tmp_path / "run").exists()


def test_overwriting_that_fails_leaves_the_old_run(tmp_path, monkeypatch):
    trained(tmp_path, steps=1)
    (tmp_path / "run" / "note.txt").write_text("mine")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    replace = os.replace

    def full(source, target):
        if Path(target).name == "config.yaml":
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RunError, match="No space left"):
        trained(tmp_path, steps=1, seed=1, overwrite=True)
    after = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert after == before and leftovers(tmp_path) == []


@pytest.mark.parametrize("text", ["title: my site\n", "- a\n", "", "batch: [", "run: x\n"])
def test_a_folder_with_another_config_yaml_is_never_deleted(tmp_path, text):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(text)
    (tmp_path / "run" / "thesis.txt").write_text("words")
    for overwrite in (False, True):
        with pytest.raises(InputError):
            trained(tmp_path, overwrite=overwrite)
    assert sorted(os.listdir(tmp_path / "run")) == ["config.yaml", "thesis.txt"]


def test_training_data_in_the_folder_are_not_overwritten(tmp_path):
    trained(tmp_path, steps=1)
    inside = shutil.copy(tmp_path / "pictures.npz", tmp_path / "run" / "pictures.npz")
    with pytest.raises(InputError, match="--data"):
        trained(tmp_path, steps=1, data=inside, overwrite=True)
    assert Path(inside).exists() and newest(tmp_path / "run")


def test_a_link_to_a_run_folder_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    trained(tmp_path, steps=1)
    trained(tmp_path, steps=2, overwrite=True)
    assert (tmp_path / "run").is_symlink() and newest(tmp_path / "disk")[1].step == 2


def test_a_link_in_a_run_folder_is_replaced_not_followed(tmp_path):
    trained(tmp_path, steps=1)
    (tmp_path / "mine").write_text("words")
    for name in ("config.yaml", ".ganbaru-old", "checkpoints/0000000016.safetensors"):
        (tmp_path / "run" / name).unlink(missing_ok=True)
        (tmp_path / "run" / name).symlink_to(tmp_path / "mine")
    with pytest.raises(InputError):
        trained(tmp_path, steps=2, overwrite=True)
    assert (tmp_path / "mine").read_text() == "words"


def test_only_a_divergence_is_a_tournaments_result(tmp_path, monkeypatch):
    """A full disk is none: the run is resumed."""
    config = tiny(tmp_path, steps=1)
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(comparison.setup, "build", lambda *given: SimpleNamespace(images=8, step=1))
    for error, recorded in ((RunError("full"), False), (DivergedError("NaN"), True)):

        def fails(run, interrupted, error=error):
            raise error

        monkeypatch.setattr(comparison, "loop", fails)
        with contextlib.suppress(RunError):
            comparison.train_and_score(config, lambda: False)
        assert (comparison.outcome(tmp_path / "run") is not None) == recorded


def test_a_run_without_a_checkpoint_is_resumed_from_its_beginning(tmp_path):
    """As one that was killed before its first checkpoint."""
    whole = train_helpers.trained(tmp_path, run=tmp_path / "whole", checkpoint_every=40)
    killed = tmp_path / "killed"
    shutil.copytree(whole, killed)
    shutil.rmtree(killed / "checkpoints")
    train_helpers.trained(tmp_path, run=killed, resume=True, checkpoint_every=40)
    assert_same_state(whole, killed)
    assert log(whole) == log(killed)
